import { hash, randomUUID } from 'node:crypto'
import { parse } from 'uuid'

let lastMs = 0
let count = 0
let readClock: () => number = Date.now
/** So much further back is another clock: ids go on from there, and their random bits keep them apart. */
const SET_BACK_MS = 1000

/**
 * Makes ids from now on by `clock`, in milliseconds since 1970: the database's, so that ids that several processes make sort by
 * one clock, and none is older than the transaction that writes it. Without an argument by the machine's again.
 */
export const setIdClock = (clock: () => number = Date.now): void => {
  readClock = clock
}

/**
 * A new UUIDv7: its first 48 bits are the milliseconds that choose a day's partition, the next 12 count within a
 * millisecond, so that ids of one process sort in the order they were made.
 */
export function newId(): string {
  const now = Math.floor(readClock())
  if (now > lastMs || now < lastMs - SET_BACK_MS) {
    lastMs = now
    count = 0
  } else {
    count += 1
    // Four thousand in a millisecond, or a clock that goes back: run ahead of it rather than repeat.
    if (count > 0xfff) {
      lastMs += 1
      count = 0
    }
  }
  const ms = lastMs.toString(16).padStart(12, '0')
  // randomUUID is pooled and ten times faster than asking for bytes; its last 62 random bits are what is needed.
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7${count.toString(16).padStart(3, '0')}${randomUUID().slice(18)}`
}

const NAMESPACE = parse('6b3f0c52-6a0e-5d0b-9f6a-5a1f2c0d7e11')

/** The same words give the same UUID, in every process and after every restart: a UUIDv5, hashed in one call. */
export function idOfWords(...words: string[]): string {
  const digest = hash('sha1', Buffer.concat([NAMESPACE, Buffer.from(words.join('\u0000'))]), 'hex')
  // The 13th digit is the version; of the 17th the upper two bits are the variant.
  const variant = VARIANTS[Number.parseInt(digest.charAt(16), 16) % 4]
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`
}
const VARIANTS = ['8', '9', 'a', 'b']

export const isUuid = (text: string): boolean =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)

/** The moment that a UUIDv7 carries, to the millisecond. */
export const idTime = (id: string): Date => new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16))

/** What is smaller than every UUIDv7 made at `at` or later, and greater than all made before: as uuid7_floor in SQL. */
export const idFloor = (at: Date): string => {
  const ms = Math.max(0, at.getTime()).toString(16).padStart(12, '0')
  return `${ms.slice(0, 8)}-${ms.slice(8)}-0000-0000-000000000000`
}
export const LEAST_ID = '00000000-0000-0000-0000-000000000000'
export const GREATEST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** The origin of deliveries that the fan-out made, see sql/000001_initial.sql. */
export const FANOUT_ORIGIN = '00000000-0000-0000-0000-000000000000'

/** The source event of what no source sent: a test event. */
export const NO_SOURCE_EVENT = '00000000-0000-0000-0000-000000000000'

/** The source event of what the gateway tells of itself: an operational event. Unlike a test event it can be replayed. */
export const GATEWAY_ITSELF = '00000000-0000-0000-0000-000000000001'

/** The client that the operator's own sources belong to, which route their events to other clients. It is made with the first of them. */
export const OPERATOR_CLIENT = '00000000-0000-7000-8000-000000000002'
