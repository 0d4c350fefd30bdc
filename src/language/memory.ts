import { hash } from 'node:crypto'
import type { Flag } from './mapping.ts'

/** When an observation was made, without its state: stages come before seconds. */
export interface ObservationTime {
  eventId: string
  stage: number
  created: number
}

/** What is remembered of a Stripe object beside its snapshot. */
export interface Memory {
  flags: Partial<Record<Flag, true>>
  /** The source event that set a flag; before this was kept, and for our own timer, nothing. */
  flaggedBy?: Partial<Record<Flag, string>>
  /** Occasions by name. */
  occasions: Record<string, Occasion[]>
  /** The last event of each mapping about the object, unless it is certainly older: its time, and a digest of its news. */
  said: Record<string, ObservationTime & { digest: string }>
  /** Flo's UUIDs by kind, as they were first sent. */
  uuids: Record<string, string>
  /** Of an open invoice: the due date (Unix seconds) that our own timer waits for, see src/normalize/overdue-timer.ts. */
  due?: number
}

/** Something that happened once and that Stripe may tell by several event types. */
export interface Occasion {
  /** Unix seconds of the first observation. */
  at: number
  /** The source event that reported it, by event type. */
  by: Record<string, string>
  /** Digest of what was reported; occasions of one name may differ in it. */
  of?: string
}

/** Of an object that was never seen. */
export const emptyMemory = (): Memory => ({ flags: {}, occasions: {}, said: {}, uuids: {} })

/** A copy to write to. */
export const copyMemory = (memory: Memory): Memory => ({
  ...memory,
  flags: { ...memory.flags },
  ...(memory.flaggedBy && { flaggedBy: { ...memory.flaggedBy } }),
  occasions: Object.fromEntries(
    Object.entries(memory.occasions).map(([what, all]) => [what, all.map((one) => ({ ...one, by: { ...one.by } }))]),
  ),
  said: { ...memory.said },
  uuids: { ...memory.uuids },
})

/** Two observations of one occasion lie this close together: Stripe sends them in the same second or the next. */
const SAME_OCCASION_SECONDS = 5
const MAX_OCCASIONS = 50

/**
 * The name of the occasion that an event reports, as a part of a business key: one that another event type has reported close
 * by, else a new one, which is added. An event type reports each occasion once, so two pauses in one second stay two.
 */
export function recordOccasion(
  memory: Memory,
  what: string,
  event: { id: string; type: string; created: number },
  of?: string,
): string {
  const known = memory.occasions[what] ?? []
  const alike = known.filter((one) => one.of === of)
  const reported = alike.find(({ by }) => by[event.type] === event.id) ?? nearestOccasion(alike, event)
  const occasion = reported ?? { at: event.created, by: {}, ...(of === undefined ? {} : { of }) }
  occasion.by[event.type] = event.id
  if (!reported) memory.occasions[what] = [...known, occasion].slice(-MAX_OCCASIONS)
  const twins = alike.filter(({ at }) => at === occasion.at)
  const ordinal = reported ? twins.indexOf(reported) : twins.length
  return [of, occasion.at, ordinal || undefined].filter((part) => part !== undefined).join('.')
}

const nearestOccasion = (occasions: Occasion[], { type, created }: { type: string; created: number }) =>
  occasions
    .filter(({ at, by }) => Math.abs(at - created) <= SAME_OCCASION_SECONDS && by[type] === undefined)
    .sort((a, b) => Math.abs(a.at - created) - Math.abs(b.at - created))[0]

/** Unix seconds of the last occasion up to a moment, null when none is remembered. */
export const lastOccasionTime = (memory: Memory, what: string, upTo: number): number | null =>
  (memory.occasions[what] ?? []).reduce<number | null>(
    (last, { at }) => (at <= upTo && (last === null || at > last) ? at : last),
    null,
  )

/** 22 characters that stand for a JSON value. */
export const digestOf = (value: unknown): string => hash('sha256', JSON.stringify(value), 'base64url').slice(0, 22)
