import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import type { Json } from '../domain/json.ts'
import { idInRealm } from '../domain/realm.ts'
import { lookupPathOf, type NamedObject, type RoutingClues, readFetchedClues } from '../domain/routing-clues.ts'
import type { WaitingEvent } from './waiting-events.ts'

// What Stripe is asked for where a source has an API key: the objects that an event names, for their metadata and for what they name.

/** What Stripe has told of an object, if anything. */
export interface ClientLookup {
  isPending: boolean
  /** It may be asked for once more. */
  isOld: boolean
  result: Json | null
}

/** Lookups that were asked for, by `lookupKeyOf`. */
export type ClientLookups = Map<string, ClientLookup>

/** The key of an object's fetch, as in hydrations. */
export const needOf = (event: Pick<WaitingEvent, 'account' | 'livemode'>, { id }: NamedObject): string =>
  idInRealm(event, `routing:${id}`)

const lookupKeyOf = (sourceId: string, need: string): string => `${sourceId} ${need}`

/** Each step of what objects name is one statement; an object of Stripe's is a few steps from its customer. */
const MOST_STEPS = 4

type CluedEvent = { event: WaitingEvent; clues: RoutingClues }

/** Adds to the clues of events what Stripe has told of the objects that they name, and of those that these name. */
export async function addLookups(
  tx: Queryable,
  clientId: string,
  waiting: readonly CluedEvent[],
): Promise<{ clued: CluedEvent[]; lookups: ClientLookups }> {
  const lookups: ClientLookups = new Map()
  let clued = [...waiting]
  for (let step = 0; step < MOST_STEPS; step += 1) {
    const wanted = new Map<string, { sourceId: string; need: string }>()
    for (const { event, clues } of clued)
      for (const object of event.canFetch ? clues.objects : []) {
        const need = needOf(event, object)
        const key = lookupKeyOf(event.sourceId, need)
        if (!lookups.has(key)) wanted.set(key, { sourceId: event.sourceId, need })
      }
    if (wanted.size === 0 || !(await loadLookups(tx, clientId, [...wanted.values()], lookups))) break
    clued = clued.map((one) => ({ ...one, clues: withLookups(one, lookups) }))
  }
  return { clued, lookups }
}

/** Answers whether any has a result. */
async function loadLookups(
  tx: Queryable,
  clientId: string,
  wanted: readonly { sourceId: string; need: string }[],
  lookups: ClientLookups,
): Promise<boolean> {
  const { rows } = await tx.query<{
    sourceId: string
    need: string
    state: string
    isOld: boolean
    result: Json | null
  }>({
    name: 'route.lookups',
    text: `select h.source_id as "sourceId", h.need, h.state, h.result,
                  h.state <> 'pending' and coalesce(h.ask_again_at <= now(), false) as "isOld"
             from unnest($2::uuid[], $3::text[]) a(source_id, need)
            cross join lateral (
              select * from hydrations where client_id = $1 and source_id = a.source_id and need = a.need offset 0) h`,
    values: [clientId, wanted.map(({ sourceId }) => sourceId), wanted.map(({ need }) => need)],
  })
  for (const { sourceId, need, state, isOld, result } of rows)
    lookups.set(lookupKeyOf(sourceId, need), { isPending: state === 'pending', isOld, result: result ?? null })
  return rows.some(({ result }) => result !== null)
}

function withLookups({ event, clues }: CluedEvent, lookups: ClientLookups): RoutingClues {
  const { routing } = event
  if (routing === null || !event.canFetch) return clues
  let merged = clues
  for (const object of clues.objects) {
    const result = lookups.get(lookupKeyOf(event.sourceId, needOf(event, object)))?.result
    if (!result) continue
    const told = readFetchedClues(result, routing, event)
    merged = {
      ...merged,
      names: [...merged.names, ...told.names.filter(({ name }) => !merged.names.some((one) => one.name === name))],
      objects: [...merged.objects, ...told.objects.filter(({ key }) => !merged.objects.some((one) => one.key === key))],
    }
  }
  return merged
}

/**
 * The objects that Stripe is to be asked for: customers and subscriptions, which carry the metadata, and where an event names neither, what
 * leads to them.
 */
export function lookupsWanted({ event, clues }: CluedEvent, lookups: ClientLookups): NamedObject[] {
  if (!event.canFetch) return []
  const isAsked = (object: NamedObject) => {
    const lookup = lookups.get(lookupKeyOf(event.sourceId, needOf(event, object)))
    return lookup !== undefined && (event.hasAsked || !lookup.isOld)
  }
  const reachable = clues.objects.filter((object) => lookupPathOf(object) !== null)
  const carriers = reachable.filter(({ kind }) => kind === 'customer' || kind === 'subscription')
  return (carriers.length > 0 ? carriers : reachable).filter((object) => !isAsked(object))
}

/** An object that is to be looked up at Stripe for an event. */
export interface LookupRequest {
  clientId: string
  event: WaitingEvent
  object: NamedObject
  until: Date
}

/** Asks for objects; the hydrator fetches them once this transaction is committed. What was asked for lately stays as it is. */
export const insertLookups = createRowInsert<LookupRequest>({
  name: 'route.hydrations',
  table: 'hydrations',
  columns: {
    client_id: ({ clientId }) => clientId,
    source_id: ({ event }) => event.sourceId,
    need: ({ event, object }) => needOf(event, object),
    account: ({ event }) => event.account,
    livemode: ({ event }) => event.livemode,
    paths: ({ object }) => [lookupPathOf(object) ?? ''],
    list: () => false,
    essential: () => false,
    wait_until: ({ until }) => until,
    give_up_at: ({ until }) => until,
  },
  end: `on conflict (client_id, source_id, need) do update
          set state = excluded.state, asked_at = excluded.asked_at, wait_until = excluded.wait_until,
              give_up_at = excluded.give_up_at, attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at,
              ask_again_at = null, reason_code = null, reason_message = null
        where hydrations.state <> 'pending' and hydrations.ask_again_at <= excluded.asked_at`,
})
