import type { ContractMappings } from '../../../mappings/offer.ts'
import type { Queryable } from '../../database/db.ts'
import { idUnder, realmName } from '../../domain/realm.ts'
import type { Flag, Node } from '../../language/mapping.ts'
import { memoizeByKey } from '../../language/memoized.ts'
import type { Memory } from '../../language/memory.ts'
import { readIfReadable } from '../../language/read.ts'
import { bareInput } from './bare-input.ts'
import { placeObservation, type Snapshot } from './snapshots.ts'
import { type KnownObject, keyIn, keyOf } from './world.ts'

// What is known of an object includes what came last. To judge an event as it was judged, or a stretch of events anew, what came
// with it or after it is taken out of the world again, as far as the two can be told apart.

/** An event type of ours that is remembered by a flag of the object that it is about, and what its business key is made of. */
interface FlagRule {
  type: string
  flag: Flag
  key: readonly Node[]
}
const flagRulesOf = memoizeByKey((mappings: ContractMappings): FlagRule[] =>
  Object.values(mappings)
    .flat()
    .flatMap(({ rules, owed }) => [...rules, ...(owed ? [owed] : [])])
    .flatMap((rule) =>
      'emit' in rule && rule.remember
        ? [rule.emit].flat().map((type) => ({ type, flag: rule.remember as Flag, key: rule.key ?? [] }))
        : [],
    ),
)

/** How many observations of an object were taken out, and how many are left. */
export interface RewoundObject {
  known: KnownObject
  removed: number
  left: number
}

interface RewindDeps {
  db: Queryable
  mappings: ContractMappings
}

/**
 * Takes out of loaded objects what source events have brought that were received at or after `before` (a source event's id, or
 * the lowest id of a moment). An object of which nothing earlier is left keeps its memory, and is otherwise as if it had never
 * been seen; where `canForget` is false, such an object stays as it is.
 */
export async function rewindObjects(
  deps: RewindDeps,
  clientId: string,
  known: readonly KnownObject[],
  { before, canForget = () => true }: { before: string; canForget?: (known: KnownObject) => boolean },
): Promise<RewoundObject[]> {
  const objects = known.filter(({ snapshot }) => observationsOf(snapshot).length > 0)
  if (objects.length === 0) return []
  const earlierEvents = await readEventsBefore(deps.db, clientId, objects, before)
  const isEarlierKey = await readKeysBefore(deps, clientId, objects, before)
  const flagRules = flagRulesOf(deps.mappings)
  return objects.map((one) => {
    const newest = { ...one }
    const isEarlier = (eventId: string) => earlierEvents.has(seenKey(one, eventId))
    const all = observationsOf(one.snapshot)
    const left = all.filter(({ eventId }) => isEarlier(eventId))
    if (left.length > 0 || canForget(one)) {
      one.snapshot = left.reduce<Snapshot>(
        (snapshot, observation) => placeObservation(snapshot, observation).snapshot,
        UNSEEN,
      )
      const flags = Object.fromEntries(
        flagRules
          .filter((rule) => {
            if (!one.memory.flags[rule.flag]) return false
            const setBy = one.memory.flaggedBy?.[rule.flag]
            if (setBy !== undefined) return isEarlier(setBy)
            return flagKeys(newest, rule).some((key) => isEarlierKey(key, one.realm))
          })
          .map(({ flag }) => [flag, true as const]),
      )
      one.memory = { ...one.memory, flags, occasions: occasionsBefore(one.memory, isEarlier) }
    }
    return { known: one, removed: all.length - left.length, left: left.length }
  })
}

/**
 * The business keys that the event may have which set a flag, as far as the object's newest state has what they are made of:
 * before accounts and modes were told apart they named neither.
 */
function flagKeys({ sourceId, realm, objectId, snapshot }: KnownObject, { type, key }: FlagRule): string[] {
  const input = bareInput({ eventId: '', type: '', createdAt: new Date(0) }, snapshot.object)
  const parts = key.map((node) => readIfReadable(node, { ...input, emittedType: type })).filter((part) => part !== null)
  const names = new Set([`${type}:${objectId}`, [type, ...parts].join(':')])
  return [...names].flatMap((name) => [`${sourceId}${realm}:${name}`, ...(realm === '' ? [] : [`${sourceId}:${name}`])])
}

/** The key of an event that an object remembers. */
const seenKey = ({ sourceId, realm }: KnownObject, eventId: string) => keyOf(sourceId, idUnder(realm, eventId))

const UNSEEN: Snapshot = { object: null, tied: [], base: [] }

const observationsOf = ({ tied, base }: Snapshot) => [...tied, ...base]

const occasionsBefore = ({ occasions }: Memory, isEarlier: (eventId: string) => boolean): Memory['occasions'] =>
  Object.fromEntries(
    Object.entries(occasions).map(([name, list]) => [
      name,
      list.flatMap((one) => {
        const by = Object.fromEntries(Object.entries(one.by).filter(([, eventId]) => isEarlier(eventId)))
        return Object.keys(by).length > 0 ? [{ ...one, by }] : []
      }),
    ]),
  )

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
      ...Object.values(memory.flaggedBy ?? {}).filter((eventId) => eventId !== undefined),
    ].map((eventId) => ({ sourceId, eventId })),
  )
  if (events.length === 0) return new Set()
  const { rows } = await db.query(
    `select e.source_id, e.account, e.livemode, e.event_id
       from (select distinct * from unnest($2::uuid[], $3::text[])) s(source_id, event_id)
       join source_events e on e.client_id = $1 and e.source_id = s.source_id and e.event_id = s.event_id
      where e.id < $4`,
    [clientId, events.map(({ sourceId }) => sourceId), events.map(({ eventId }) => eventId), before],
  )
  return new Set(rows.map((row) => keyIn({ ...row, sourceId: row.source_id }, row.event_id)))
}

/** Whether the event of a business key behind an object's flag was made from an earlier source event of the object's realm. */
async function readKeysBefore(
  { db, mappings }: RewindDeps,
  clientId: string,
  objects: readonly KnownObject[],
  before: string,
): Promise<(key: string, realm: string) => boolean> {
  const flagRules = flagRulesOf(mappings)
  const keys = objects.flatMap((known) =>
    flagRules.flatMap((rule) => (known.memory.flags[rule.flag] ? flagKeys(known, rule) : [])),
  )
  if (keys.length === 0) return () => false
  const { rows } = await db.query<{ key: string; account: string | null; livemode: boolean | null }>(
    `select m.key, s.account, s.livemode from emissions m
       left join events e on e.client_id = $1 and e.id = m.event_id
       left join source_events s on s.client_id = $1 and s.id = e.source_event_id
      where m.client_id = $1 and m.contract = any($4) and m.key = any($2)
        and (e.source_event_id is null or e.source_event_id < $3)`,
    [clientId, keys, before, Object.keys(mappings)],
  )
  return (key, realm) =>
    rows.some(
      (row) =>
        row.key === key &&
        (row.account === null || realmName({ account: row.account, livemode: row.livemode ?? true }) === realm),
    )
}
