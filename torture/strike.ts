import { setTimeout as delay } from 'node:timers/promises'
import { openPool } from '../src/database/db.ts'
import type { Arrival, Receiver } from './receiver.ts'
import type { Setting } from './setting.ts'
import type { FakeStripe } from './stripe.ts'
import { addUpSums, findUnrecorded, type Repeat, type Sums } from './sums.ts'

/** Something that goes wrong and comes right again; returns when it has. `random` is in [0, 1). */
export interface Fault {
  name: string
  strike(setting: Setting, random: () => number): Promise<void>
}

/** A fault that has struck under load, and what followed. */
export interface StrikeReport {
  name: string
  from: number
  to: number
  /** Milliseconds from its end until all that was accepted before had arrived, and something newer of each client as well. */
  recoveredMs: number
  /** Attempts that were sent and not yet written down when it struck, or sent while it lasted and was felt. */
  inFlight: Set<Arrival>
}

/** What is still on its way to a receiver, or in its queue, when the fault has ended. */
const ON_ITS_WAY_MS = 1000
/** Unrecorded attempts are looked for among these: none takes as long. */
const LOOK_BACK_MS = 120_000

/** Lets a fault strike and waits until the gateways have recovered. Throws when they have not in `patienceMs`. */
export async function strikeFault(
  setting: Setting,
  fault: Fault,
  { random = Math.random, patienceMs = 90_000 } = {},
): Promise<StrikeReport> {
  const { server, receivers, stripe, steady } = setting
  const db = openPool(server.url, { max: 1 })
  const from = Date.now()
  const before = await findUnrecorded(db, receivers, from - LOOK_BACK_MS)
  await db.end()
  await fault.strike(setting, random)
  const to = Date.now()
  stripe.sendRound()
  const recoveredMs = await untilRecovered(stripe, steady, to, patienceMs).catch((error) => {
    throw new Error(`${fault.name}: ${error.message}`)
  })
  const losses = setting.gateways.flatMap(({ sessionLosses }) => sessionLosses)
  const felt = { from, to: feltUntil({ from, to, recoveredMs }, losses) }
  const during = receivers.flatMap(({ arrivals }) => arrivals.filter((one) => wasSentDuring(one, felt)))
  return { name: fault.name, from, to, recoveredMs, inFlight: new Set([...before, ...during]) }
}

/**
 * Until when a fault is felt: of connections that fell silent, say, a process learns seconds later, and has lost its leases then.
 * `losses` are the moments at which processes noticed that.
 */
export const feltUntil = (
  { from, to, recoveredMs }: Pick<StrikeReport, 'from' | 'to' | 'recoveredMs'>,
  losses: readonly number[],
): number => Math.max(to, ...losses.filter((at) => at >= from && at <= to + recoveredMs))

/** Whether an attempt was sent meanwhile, or was still on its way or in its receiver's queue. */
export const wasSentDuring = (
  { at, sentAt }: Pick<Arrival, 'at' | 'sentAt'>,
  { from, to }: Pick<StrikeReport, 'from' | 'to'>,
): boolean => at >= from && Math.min(at, sentAt) <= to + ON_ITS_WAY_MS

async function untilRecovered(
  { accepted, newestAfter: newest }: FakeStripe,
  steady: Receiver[],
  to: number,
  patienceMs: number,
) {
  const waiting = new Set([...accepted].filter(([, at]) => at <= to).map(([user]) => user))
  const hasArrivedEverywhere = (user: string) => steady.every(({ served }) => served.has(user))
  let newer: string[] | undefined
  for (;;) {
    for (const user of waiting) if (hasArrivedEverywhere(user)) waiting.delete(user)
    newer ??= newest(to)
    if (waiting.size === 0 && newer?.every(hasArrivedEverywhere)) return Date.now() - to
    if (Date.now() > to + patienceMs)
      throw new Error(
        `${waiting.size} events accepted before are still missing after ${patienceMs} ms${newer ? '' : ', and not every client has one accepted since'}`,
      )
    await delay(20)
  }
}

/** Repeats that no fault explains: they were not in flight when one struck. */
export const unexplainedRepeats = (repeats: readonly Repeat[], struck: readonly StrikeReport[]): Repeat[] =>
  repeats.filter(({ first, again }) => !struck.some(({ from, inFlight }) => inFlight.has(first) && again.at >= from))

/** Ends the load, waits until nothing is pending any more, and adds up. */
export async function settleAndAddUp(setting: Setting, { patienceMs = 120_000 } = {}): Promise<Sums> {
  await setting.stripe.finishSending()
  const deadline = Date.now() + patienceMs
  for (;;) {
    const [row] = await setting.server.run(
      `select (select count(*) from source_events where due_at is not null)::int as due,
              (select count(*) from deliveries where state = 'pending')::int as pending`,
    )
    if (row.due + row.pending === 0) break
    if (Date.now() > deadline) throw new Error(`still ${row.due} source events and ${row.pending} deliveries wait`)
    await delay(100)
  }
  return addUpSums(setting.server.url, setting)
}

/** The line that a test or a run prints of a fault. */
export const strikeLine = ({ name, from, to, recoveredMs, inFlight }: StrikeReport): string =>
  `${new Date(from).toISOString().slice(11, 19)} ${name}: ${to - from} ms, ${inFlight.size} attempts unrecorded or sent meanwhile, recovered in ${recoveredMs} ms`
