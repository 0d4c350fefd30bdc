import { createHash } from 'node:crypto'
import type { Flag } from './words.ts'

/** What is remembered of a Stripe object beside its snapshot. */
export interface Memory {
  flags: Partial<Record<Flag, true>>
  /** Occasions by name: when (seconds of the first sight) and by which event types they were told. */
  occasions: Record<string, { at: number; by: string[] }[]>
  /** Digest of the news that each mapping last emitted about the object. */
  said: Record<string, string>
  /** Flo's UUIDs by kind, as first told. */
  uuids: Record<string, string>
}

export const emptyMemory = (): Memory => ({ flags: {}, occasions: {}, said: {}, uuids: {} })

/** Two sights of one occasion lie this close together; Stripe sends them in the same second or the next. */
const SAME_OCCASION_SECONDS = 60

/**
 * The moment of an occasion that this sight belongs to: one already told by another event type close by, else a new one
 * (added when `mark`). An event type tells each occasion once, so two close pauses told by one type stay two.
 */
export function momentOf(memory: Memory, what: string, type: string, at: number, mark: boolean): number {
  const known = memory.occasions[what] ?? []
  const near = known
    .filter((one) => Math.abs(one.at - at) <= SAME_OCCASION_SECONDS && !one.by.includes(type))
    .sort((a, b) => Math.abs(a.at - at) - Math.abs(b.at - at))[0]
  if (near) {
    if (mark) near.by.push(type)
    return near.at
  }
  if (mark) memory.occasions[what] = [...known, { at, by: [type] }].slice(-50)
  return at
}

/** The last occasion up to a moment, in seconds. */
export const lastMoment = (memory: Memory, what: string, upTo: number): number | null =>
  (memory.occasions[what] ?? []).reduce<number | null>(
    (last, { at }) => (at <= upTo && (last === null || at > last) ? at : last),
    null,
  )

export const digest = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 22)
