import type { Queryable } from '../../database/db.ts'
import { differing } from '../../domain/body-differences.ts'
import { type Difference, differences } from './differences.ts'
import type { Told } from './scratch.ts'
import type { Row, StoredEvent } from './window.ts'

/** How many events there are on either side. */
export interface Counts {
  same: number
  added: number
  removed: number
  changed: number
  /** They differ in the user alone, whom the API has registered since. */
  registeredSince: number
}

interface Comparison {
  /** One page: what is stored of its source events, and what was told in the meantime. */
  page(rows: readonly Row[], told: readonly Told[]): Promise<void>
  /** What was told at last. Whatever is stored and was not told is told no longer. */
  finish(told: readonly Told[]): Promise<Counts>
}

interface Now {
  sourceEventId: string
  contract: string
  type: string
  key: string
  userId: string | null
  body: string
}
type Was = Omit<StoredEvent, 'body'> & { body: string | null }

/**
 * Compares events by business key: stored ones with those told now, which may come from another source event and on another
 * page. What stays open from page to page keeps no body, so that a window of any length fits.
 */
export function comparison(
  db: Queryable,
  clientId: string,
  { floor, ceiling }: { floor: string; ceiling: string },
  found: (difference: Difference) => void,
): Comparison {
  const was = new Map<string, Was>()
  const now = new Map<string, Now>()
  const counts: Counts = { same: 0, added: 0, removed: 0, changed: 0, registeredSince: 0 }
  const about = differences(found)

  const matched = async () => {
    const pairs = [...now].flatMap(([id, is]) => (was.has(id) ? [{ id, is, was: was.get(id)! }] : []))
    const bodies = await bodiesOf(
      db,
      clientId,
      pairs.flatMap((pair) => (pair.was.body === null ? [pair.was.id] : [])),
    )
    const changed = []
    for (const pair of pairs) {
      was.delete(pair.id)
      now.delete(pair.id)
      const body = pair.was.body ?? bodies.get(pair.was.id)
      const fields =
        body === undefined || body === pair.is.body ? [] : differing(JSON.parse(body), JSON.parse(pair.is.body))
      if (fields.length === 0) counts.same += 1
      else changed.push({ ...pair, fields })
    }
    const registered = await registeredSince(
      db,
      clientId,
      changed.filter(({ fields }) => fields.every(isOfUser)),
    )
    for (const { was: event, fields } of changed) {
      if (registered.has(event.id)) counts.registeredSince += 1
      else {
        counts.changed += 1
        about.changed(event.sourceEventId, event, fields)
      }
    }
  }

  /** Of what was told and is not stored here: told outside the window, stored on a later page, or new. */
  const placed = async () => {
    const places = await placesOf(db, clientId, [...now.values()], { floor, ceiling })
    for (const [id, event] of now) {
      const place = places.get(id)
      if (place === 'inside') continue
      now.delete(id)
      if (place === 'outside') continue
      counts.added += 1
      about.added(event.sourceEventId, event)
    }
  }

  const take = (told: readonly Told[]) => {
    for (const one of told) if (about.told(one)) for (const event of one.events) now.set(idOf(event), event)
  }
  return {
    async page(rows, told) {
      for (const row of rows) {
        about.stored(row)
        for (const event of row.events) was.set(idOf(event), event)
      }
      take(told)
      await matched()
      await placed()
      for (const [id, event] of was) if (event.body !== null) was.set(id, { ...event, body: null })
      about.tellAllBut(new Set([...was.values(), ...now.values()].map(({ sourceEventId }) => sourceEventId)))
    },
    async finish(told) {
      take(told)
      await matched()
      await placed()
      for (const event of was.values()) if (about.removed(event.sourceEventId, event)) counts.removed += 1
      about.tellAllBut(new Set())
      return counts
    },
  }
}

const idOf = ({ contract, key }: { contract: string; key: string }) => `${contract} ${key}`

const isOfUser = ({ field }: { field: string }) => field.startsWith('user.')

async function bodiesOf(db: Queryable, clientId: string, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const { rows } = await db.query(
    'select event_id as id, body from event_bodies where client_id = $1 and event_id = any($2)',
    [clientId, ids],
  )
  return new Map(rows.map(({ id, body }) => [id, body]))
}

/** Where the keys of events are stored: told by a source event inside the window or outside; left out: nowhere. */
async function placesOf(
  db: Queryable,
  clientId: string,
  events: readonly Now[],
  { floor, ceiling }: { floor: string; ceiling: string },
): Promise<Map<string, 'inside' | 'outside'>> {
  if (events.length === 0) return new Map()
  const { rows } = await db.query(
    `select m.contract, m.key, coalesce(e.source_event_id >= $4 and e.source_event_id <= $5, false) as inside
       from emissions m
       left join events e on e.client_id = $1 and e.id = m.event_id
      where m.client_id = $1 and m.contract = any($2) and m.key = any($3)`,
    [clientId, [...new Set(events.map(({ contract }) => contract))], events.map(({ key }) => key), floor, ceiling],
  )
  return new Map(rows.map((row) => [idOf(row), row.inside ? 'inside' : 'outside']))
}

/** Which of the stored events were told before their user was registered: the mappings did not make that difference. */
async function registeredSince(
  db: Queryable,
  clientId: string,
  pairs: readonly { was: Was; is: Now }[],
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
