import { v5, v7 } from 'uuid'

/** A new UUIDv7: sorts by time, and its first 48 bits are the milliseconds that choose a day's partition. */
export const newId = (): string => v7()

const NAMESPACE = '6b3f0c52-6a0e-5d0b-9f6a-5a1f2c0d7e11'

/** The same words give the same UUID, in every process and after every restart. */
export const idOfWords = (...words: string[]): string => v5(words.join('\u0000'), NAMESPACE)

export const isUuid = (text: string): boolean =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)

/** The origin of deliveries that the fan-out made, see sql/000001_initial.sql. */
export const FANOUT_ORIGIN = '00000000-0000-0000-0000-000000000000'
