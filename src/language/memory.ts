import { createHash } from 'node:crypto'
import type { Flag } from './mapping.ts'

/** When a sight was, without its state: stages come before seconds. */
export interface ObservationTime {
  eventId: string
  stage: number
  created: number
}

/** What is remembered of a Stripe object beside its snapshot. */
export interface Memory {
  flags: Partial<Record<Flag, true>>
  /** Occasions by name. */
  occasions: Record<string, Occasion[]>
  /** What each mapping has told last of the object, but for what is surely older: when that was, and a digest of its news. */
  said: Record<string, ObservationTime & { digest: string }>
  /** Flo's UUIDs by kind, as first told. */
  uuids: Record<string, string>
  /** Of an open invoice: the due date (Unix seconds) that our own timer waits for, see dues.ts. */
  due?: number
}

/** Something that happened once and that Stripe may tell by several event types. */
export interface Occasion {
  /** Unix seconds of the first sight. */
  at: number
  /** The source event that told it, by event type. */
  by: Record<string, string>
  /** Digest of what was told; occasions of one name may differ in it. */
  of?: string
}

/** Of an object that was never seen. */
export const emptyMemory = (): Memory => ({ flags: {}, occasions: {}, said: {}, uuids: {} })

/** A copy to write to. */
export const copyMemory = (memory: Memory): Memory => ({
  ...memory,
  flags: { ...memory.flags },
  occasions: Object.fromEntries(
    Object.entries(memory.occasions).map(([what, all]) => [what, all.map((one) => ({ ...one, by: { ...one.by } }))]),
  ),
  said: { ...memory.said },
  uuids: { ...memory.uuids },
})

/** Two sights of one occasion lie this close together: Stripe sends them in the same second or the next. */
const SAME_OCCASION_SECONDS = 5
const MAX_OCCASIONS = 50

/**
 * The name of the occasion that an event tells, as a part of a business key: one told already by another event type close
 * by, else a new one, which is added. An event type tells each occasion once, so two pauses in one second stay two.
 */
export function recordOccasion(
  memory: Memory,
  what: string,
  event: { id: string; type: string; created: number },
  of?: string,
): string {
  const known = memory.occasions[what] ?? []
  const alike = known.filter((one) => one.of === of)
  const told = alike.find(({ by }) => by[event.type] === event.id) ?? nearestOccasion(alike, event)
  const occasion = told ?? { at: event.created, by: {}, ...(of === undefined ? {} : { of }) }
  occasion.by[event.type] = event.id
  if (!told) memory.occasions[what] = [...known, occasion].slice(-MAX_OCCASIONS)
  const twins = alike.filter(({ at }) => at === occasion.at)
  const turn = told ? twins.indexOf(told) : twins.length
  return [of, occasion.at, turn || undefined].filter((part) => part !== undefined).join('.')
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
export const digestOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 22)
