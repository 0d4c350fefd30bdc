import { mappings } from '../../../mappings/index.ts'
import type { Queryable } from '../../database/db.ts'
import type { Flag } from '../../language/mapping.ts'
import { memoizeByKey } from '../../language/memoized.ts'
import type { Memory } from '../../language/memory.ts'
import { placeObservation, type Snapshot } from './snapshots.ts'
import { type KnownObject, keyOf } from './world.ts'

// What is known of an object holds what came last. To judge an event as it was judged, or a stretch of events anew, what came
// with it or after it is taken out of the world again, as far as it can be told apart.

/** The event types whose telling is remembered as a flag of the object that they are about. */
const flagRules = memoizeByKey((all: typeof mappings) =>
  Object.values(all)
    .flat()
    .flatMap(({ rules, owed }) => [...rules, ...(owed ? [owed] : [])])
    .flatMap((rule) =>
      'emit' in rule && rule.remember ? [rule.emit].flat().map((type) => ({ type, flag: rule.remember as Flag })) : [],
    ),
)

/** How many sights of an object were taken out, and how many are left. */
export interface Rewound {
  known: KnownObject
  lost: number
  left: number
}

/**
 * Takes out of loaded objects what was told by source events received at or after `before` (a source event's id, or the
 * floor of a moment). An object of which nothing earlier is left keeps its memory, and is otherwise as it was never seen;
 * `only` leaves such an object as it is unless it is named.
 */
export async function rewindObjects(
  db: Queryable,
  clientId: string,
  known: readonly KnownObject[],
  before: string,
  { only = () => true }: { only?: (known: KnownObject) => boolean } = {},
): Promise<Rewound[]> {
  const objects = known.filter(({ snapshot }) => observationsOf(snapshot).length > 0)
  if (objects.length === 0) return []
  const earlier = await readEventsBefore(db, clientId, objects, before)
  const told = await readKeysBefore(db, clientId, objects, before)
  return objects.map((one) => {
    const isEarlier = (eventId: string) => earlier.has(keyOf(one.sourceId, eventId))
    const all = observationsOf(one.snapshot)
    const sights = all.filter(({ eventId }) => isEarlier(eventId))
    if (sights.length > 0 || only(one)) {
      one.snapshot = sights.reduce<Snapshot>((snapshot, sight) => placeObservation(snapshot, sight).snapshot, UNSEEN)
      one.memory = memoryBefore(one, isEarlier, told)
    }
    return { known: one, lost: all.length - sights.length, left: sights.length }
  })
}

const UNSEEN: Snapshot = { object: null, tied: [], base: [] }

const observationsOf = ({ tied, base }: Snapshot) => [...tied, ...base]

function memoryBefore(known: KnownObject, isEarlier: (eventId: string) => boolean, told: ReadonlySet<string>): Memory {
  const { memory, sourceId, objectId } = known
  const flags: Memory['flags'] = {}
  for (const { type, flag } of flagRules(mappings))
    if (memory.flags[flag] && told.has(`${sourceId}:${type}:${objectId}`)) flags[flag] = true
  const occasions = Object.entries(memory.occasions).map(([what, list]) => [
    what,
    list.flatMap((one) => {
      const by = Object.fromEntries(Object.entries(one.by).filter(([, eventId]) => isEarlier(eventId)))
      return Object.keys(by).length > 0 ? [{ ...one, by }] : []
    }),
  ])
  return { ...memory, flags, occasions: Object.fromEntries(occasions) }
}

/** Of all events that the objects remember those received earlier, by source and Stripe's id. */
async function readEventsBefore(
  db: Queryable,
  clientId: string,
  objects: readonly KnownObject[],
  before: string,
): Promise<Set<string>> {
  const events = objects.flatMap(({ sourceId, snapshot, memory }) =>
    [
      ...observationsOf(snapshot).map(({ eventId }) => eventId),
      ...Object.values(memory.occasions).flatMap((list) => list.flatMap(({ by }) => Object.values(by))),
    ].map((eventId) => ({ sourceId, eventId })),
  )
  if (events.length === 0) return new Set()
  const { rows } = await db.query(
    `select e.source_id, e.event_id
       from (select distinct * from unnest($2::uuid[], $3::text[])) s(source_id, event_id)
       join source_events e on e.client_id = $1 and e.source_id = s.source_id and e.event_id = s.event_id
      where e.id < $4`,
    [clientId, events.map(({ sourceId }) => sourceId), events.map(({ eventId }) => eventId), before],
  )
  return new Set(rows.map(({ source_id, event_id }) => keyOf(source_id, event_id)))
}

/** The business keys behind the objects' flags that were told from earlier source events. */
async function readKeysBefore(
  db: Queryable,
  clientId: string,
  objects: readonly KnownObject[],
  before: string,
): Promise<Set<string>> {
  const keys = objects.flatMap(({ sourceId, objectId, memory }) =>
    flagRules(mappings).flatMap(({ type, flag }) => (memory.flags[flag] ? [`${sourceId}:${type}:${objectId}`] : [])),
  )
  if (keys.length === 0) return new Set()
  const { rows } = await db.query(
    `select m.key from emissions m
       left join events e on e.client_id = $1 and e.id = m.event_id
      where m.client_id = $1 and m.contract = any($4) and m.key = any($2)
        and (e.source_event_id is null or e.source_event_id < $3)`,
    [clientId, keys, before, Object.keys(mappings)],
  )
  return new Set(rows.map(({ key }) => key))
}
