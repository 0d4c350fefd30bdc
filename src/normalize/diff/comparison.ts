import type { Queryable } from '../../database/db.ts'
import { differingFields } from '../../domain/body-differences.ts'
import { collectDifferences, type SourceEventDifference } from './differences.ts'
import type { ScratchOutcome } from './scratch-world.ts'
import type { WindowEvent, WindowRow } from './window.ts'

/** How many events there are on either side. */
export interface DiffCounts {
  same: number
  added: number
  removed: number
  changed: number
  /** They differ in the user alone, whom the API has registered since. */
  registeredSince: number
}

interface Comparison {
  /** One page: what is stored of its source events, and the outcomes since the page before. */
  comparePage(rows: readonly WindowRow[], outcomes: readonly ScratchOutcome[]): Promise<void>
  /** The last outcomes. What is stored and did not come again is removed. */
  finishComparison(outcomes: readonly ScratchOutcome[]): Promise<DiffCounts>
}

interface CurrentEvent {
  sourceEventId: string
  contract: string
  type: string
  key: string
  /** Its key before accounts and modes were told apart, where its source is older than that. */
  keyBefore: string | null
  userId: string | null
  body: string
}
type PastEvent = Omit<WindowEvent, 'body'> & { body: string | null }

/**
 * Compares events by business key: stored ones with those of today's mappings, which may come from another source event and on another
 * page. What stays open from page to page keeps no body, so that a window of any length fits.
 */
export function createComparison(
  db: Queryable,
  clientId: string,
  { floor, ceiling }: { floor: string; ceiling: string },
  onDifference: (difference: SourceEventDifference) => void,
): Comparison {
  const pastEvents = new Map<string, PastEvent>()
  const currentEvents = new Map<string, CurrentEvent>()
  const counts: DiffCounts = { same: 0, added: 0, removed: 0, changed: 0, registeredSince: 0 }
  const collected = collectDifferences(onDifference)

  const compareMatching = async () => {
    const pairs = [...currentEvents].flatMap(([id, is]) => {
      const was = pastEvents.get(id)
      return was ? [{ id, is, was }] : []
    })
    const bodies = await loadBodies(
      db,
      clientId,
      pairs.flatMap((pair) => (pair.was.body === null ? [pair.was.id] : [])),
    )
    const changed = []
    for (const pair of pairs) {
      pastEvents.delete(pair.id)
      currentEvents.delete(pair.id)
      const body = pair.was.body ?? bodies.get(pair.was.id)
      const fields =
        body === undefined || body === pair.is.body ? [] : differingFields(JSON.parse(body), JSON.parse(pair.is.body))
      if (fields.length === 0) counts.same += 1
      else changed.push({ ...pair, fields })
    }
    const registered = await findRegisteredSince(
      db,
      clientId,
      changed.filter(({ fields }) => fields.every(isUserField)),
    )
    for (const { was: event, fields } of changed) {
      if (registered.has(event.id)) counts.registeredSince += 1
      else {
        counts.changed += 1
        collected.addChanged(event.sourceEventId, event, fields)
      }
    }
  }

  /** Of today's events that are not stored on this page: stored outside the window, on a later page, or new. */
  const placeUnmatched = async () => {
    const places = await findPlaces(db, clientId, [...currentEvents.values()], { floor, ceiling })
    for (const [id, event] of currentEvents) {
      const place = places.get(id)
      if (place === 'inside') continue
      currentEvents.delete(id)
      if (place === 'outside') continue
      counts.added += 1
      collected.addAdded(event.sourceEventId, event)
    }
  }

  const addOutcomes = (outcomes: readonly ScratchOutcome[]) => {
    for (const one of outcomes)
      if (collected.setOutcome(one)) for (const event of one.events) currentEvents.set(contractKey(event), event)
  }
  return {
    async comparePage(rows, outcomes) {
      for (const row of rows) {
        collected.addStored(row)
        for (const event of row.events) pastEvents.set(contractKey(event), event)
      }
      addOutcomes(outcomes)
      await compareMatching()
      await placeUnmatched()
      for (const [id, event] of pastEvents) if (event.body !== null) pastEvents.set(id, { ...event, body: null })
      collected.reportAllBut(
        new Set([...pastEvents.values(), ...currentEvents.values()].map(({ sourceEventId }) => sourceEventId)),
      )
    },
    async finishComparison(outcomes) {
      addOutcomes(outcomes)
      await compareMatching()
      await placeUnmatched()
      for (const event of pastEvents.values()) if (collected.addRemoved(event.sourceEventId, event)) counts.removed += 1
      collected.reportAllBut(new Set())
      return counts
    },
  }
}

const contractKey = ({ contract, key }: { contract: string; key: string }) => `${contract} ${key}`

const isUserField = ({ field }: { field: string }) => field.startsWith('user.')

async function loadBodies(db: Queryable, clientId: string, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const { rows } = await db.query(
    'select event_id as id, body from event_bodies where client_id = $1 and event_id = any($2)',
    [clientId, ids],
  )
  return new Map(rows.map(({ id, body }) => [id, body]))
}

/** Where the keys of events are stored: for a source event inside the window or outside; left out: nowhere. */
async function findPlaces(
  db: Queryable,
  clientId: string,
  events: readonly CurrentEvent[],
  { floor, ceiling }: { floor: string; ceiling: string },
): Promise<Map<string, 'inside' | 'outside'>> {
  if (events.length === 0) return new Map()
  const { rows } = await db.query(
    `select m.contract, m.key, coalesce(e.source_event_id >= $4 and e.source_event_id <= $5, false) as inside
       from emissions m
       left join events e on e.client_id = $1 and e.id = m.event_id
      where m.client_id = $1 and m.contract = any($2) and m.key = any($3)`,
    [
      clientId,
      [...new Set(events.map(({ contract }) => contract))],
      events.flatMap(({ key, keyBefore }) => [key, ...(keyBefore === null ? [] : [keyBefore])]),
      floor,
      ceiling,
    ],
  )
  const places = new Map(rows.map((row) => [contractKey(row), row.inside ? 'inside' : 'outside'] as const))
  return new Map(
    events.flatMap((event) => {
      const { contract, keyBefore } = event
      const before = keyBefore === null ? undefined : places.get(contractKey({ contract, key: keyBefore }))
      const place = places.get(contractKey(event)) ?? before
      return place ? [[contractKey(event), place] as const] : []
    }),
  )
}

/** Which of the stored events are older than the registration of their user: the mappings did not make that difference. */
async function findRegisteredSince(
  db: Queryable,
  clientId: string,
  pairs: readonly { was: PastEvent; is: CurrentEvent }[],
): Promise<Set<string>> {
  if (pairs.length === 0) return new Set()
  const { rows } = await db.query(
    `select p.event from unnest($2::uuid[], $3::uuid[]) p(event, user_id)
       join users u on u.client_id = $1 and u.id = p.user_id and u.registered
      where p.event < uuid7_floor(u.updated_at)`,
    [clientId, pairs.map(({ was }) => was.id), pairs.map(({ is }) => is.userId)],
  )
  return new Set(rows.map(({ event }) => event))
}
