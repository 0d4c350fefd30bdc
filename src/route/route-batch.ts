import { type Db, inTransaction, type Tx } from '../database/db.ts'
import { findKnownRoutes } from '../database/routing-tables.ts'
import { decideRoutes, type RouteDecision } from '../domain/route-decision.ts'
import { fetchKey } from '../domain/routing.ts'
import { type RoutingClues, readRoutingClues } from '../domain/routing-clues.ts'
import type { RoutedEvent } from '../watch.ts'
import { addLookups, type ClientLookups, insertLookups, type LookupRequest, lookupsWanted, needOf } from './lookups.ts'
import { closeOrphans, type SettledEvent, type Settlement, saveSettlements } from './settle.ts'
import { claimWaitingEvents, EVENTS_AT_ONCE, parseEventBody, releaseTold, type WaitingEvent } from './waiting-events.ts'

export interface RouteBatchDeps {
  db: Db
  /** The database's clock. */
  now: () => Date
  /** How long events wait for an answer of Stripe's. */
  hydrateSeconds: number
}

/** What one transaction has done. */
export interface RouteBatch {
  /** What was settled, for those who watch. */
  routed: RoutedEvent[]
  /** Something is to be fetched from Stripe. */
  hasLookups: boolean
  /** There is more to look at now. */
  isMore: boolean
}

/** A fact mostly comes within the second, from an event that is on its way: Stripe is asked after that. */
const ASK_AFTER_MS = 1000

/** Looks at what is due of the operator's client, in one transaction and in as many statements for many events as for one. */
export const routeBatch = (deps: RouteBatchDeps, clientId: string): Promise<RouteBatch> =>
  inTransaction(deps.db, async (tx) => {
    const hasMoreNews = await releaseTold(tx, clientId)
    const { events, orphans } = await claimWaitingEvents(tx, clientId)
    await closeOrphans(tx, clientId, orphans)
    if (events.length === 0) return { routed: [], hasLookups: false, isMore: hasMoreNews }
    const { settled, requests } = await settleEvents(deps, tx, clientId, events)
    const hasNews = await saveSettlements(tx, clientId, settled, deps.now())
    // Always in one order: two that ask for the same wait for each other in a line, not in a ring.
    const ordered = [...new Map(requests.map((one) => [requestKeyOf(one), one])).values()].toSorted((a, b) =>
      requestKeyOf(a) < requestKeyOf(b) ? -1 : 1,
    )
    await insertLookups(tx, ordered)
    return {
      routed: settled.flatMap((one) => reportOf(clientId, one)),
      hasLookups: ordered.length > 0,
      isMore: hasMoreNews || hasNews || events.length + orphans.length >= EVENTS_AT_ONCE,
    }
  })

const requestKeyOf = ({ event, object }: LookupRequest) => `${event.sourceId} ${needOf(event, object)}`

async function settleEvents(
  deps: RouteBatchDeps,
  tx: Tx,
  clientId: string,
  events: readonly WaitingEvent[],
): Promise<{ settled: SettledEvent[]; requests: LookupRequest[] }> {
  const { clued, lookups } = await addLookups(
    tx,
    clientId,
    events.map((event) => ({ event, clues: cluesOf(event) })),
  )
  const routable = clued.map(({ event, clues }) => ({
    clientId,
    sourceId: event.sourceId,
    eventId: event.eventId,
    clues,
  }))
  const decisions = decideRoutes(routable, await findKnownRoutes(tx, routable))
  const requests: LookupRequest[] = []
  const settled = clued.map((one, at): SettledEvent => {
    const decision = decisions[at] ?? { state: 'shared' }
    const settlement = settlementOf(deps, one, { decision, lookups })
    if (settlement.state === 'waiting')
      requests.push(
        ...settlement.asks.map((object) => ({ clientId, event: one.event, object, until: settlement.heldUntil })),
      )
    return { event: one.event, settlement }
  })
  return { settled, requests }
}

/** A body that is gone, and a source that routes no more, tell nothing. */
function cluesOf({ body, routing, account, livemode }: WaitingEvent): RoutingClues {
  const dead = (why: string): RoutingClues => ({ isShared: false, names: [], objects: [], dead: why })
  const event = parseEventBody(body)
  if (event === null) return dead('The raw body is no longer kept: nothing tells whose it is.')
  if (routing === null) return dead('Its source routes no events any more.')
  return readRoutingClues(event, routing, { account, livemode })
}

type WaitingOn = Extract<Settlement, { state: 'waiting' }> & { asks: LookupRequest['object'][] }

/** A decision with the clock: how long an event that is not known waits on, and what Stripe is asked for it meanwhile. */
function settlementOf(
  { now, hydrateSeconds }: RouteBatchDeps,
  clued: { event: WaitingEvent; clues: RoutingClues },
  { decision, lookups }: { decision: RouteDecision; lookups: ClientLookups },
): Exclude<Settlement, { state: 'waiting' }> | WaitingOn {
  const { event } = clued
  if (decision.state === 'routed' || decision.state === 'shared') return decision
  const { code, message, waitsFor } = decision
  if (decision.state === 'unrouted') return { state: 'unrouted', code, message, waitsFor }
  // One that has ended is routed once the fact is there, and waits no more.
  if (event.state === 'unrouted' || event.heldUntil === null) return { state: 'unrouted', code, message, waitsFor }
  const at = now()
  const wanted = lookupsWanted(clued, lookups)
  const askAt = new Date(event.receivedAt.getTime() + ASK_AFTER_MS)
  // The last moment to ask is the end of the wait.
  const mayAsk = askAt <= at || event.heldUntil <= at
  const asks = mayAsk ? wanted : []
  const heldUntil =
    asks.length > 0
      ? new Date(Math.max(event.heldUntil.getTime(), at.getTime() + hydrateSeconds * 1000))
      : event.heldUntil
  if (heldUntil <= at) return { state: 'unrouted', code, message, waitsFor }
  const fetches = [...asks, ...clued.clues.objects.filter((object) => isPending(event, object, lookups))]
  return {
    ...{ state: 'waiting', code, message, heldUntil, asks },
    waitsFor: [...new Set([...waitsFor, ...fetches.map((object) => fetchKey(needOf(event, object)))])],
    dueAt: wanted.length > 0 && !mayAsk && askAt < heldUntil ? askAt : heldUntil,
  }
}

const isPending = (event: WaitingEvent, object: LookupRequest['object'], lookups: ClientLookups): boolean =>
  event.canFetch && lookups.get(`${event.sourceId} ${needOf(event, object)}`)?.isPending === true

function reportOf(ownerId: string, { event, settlement }: SettledEvent): RoutedEvent[] {
  const { id, sourceId, type } = event
  // That it goes on waiting, or stays without a client, is no news.
  if (settlement.state === 'waiting' || settlement.state === event.state) return []
  const reason = 'code' in settlement ? settlement : { code: null, message: null }
  return [
    {
      ...{ id, sourceId, type, ownerId, state: settlement.state, code: reason.code, message: reason.message },
      clientId: settlement.state === 'routed' ? settlement.targetId : ownerId,
    },
  ]
}
