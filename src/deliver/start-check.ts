import type { Contract } from '../contracts/contract.ts'
import { type Db, isDatabaseAway } from '../database/db.ts'
import { findDeletedEvents } from '../database/deletions.ts'
import { splitUntilAlone } from '../database/split-until-alone.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import { type AddToBatch, createBatcher } from '../workers/batcher.ts'
import type { EventBody, LoadEventBodies } from './attempt/event-bodies.ts'
import { type Endpoint, type FreshEndpoint, refreshEndpoints, wantsDelivery } from './endpoint/endpoint.ts'
import { type DueDelivery, findStillPending } from './queue/due-deliveries.ts'
import type { Pump } from './queue/pump.ts'
import { countStart, nextStartAt } from './queue/start-gate.ts'

/** Whether a delivery may be attempted now, and with what. */
export type StartVerdict =
  /** `countEnd` is to be called when the attempt has ended. */
  | { canStart: true; endpoint: Endpoint; event: EventBody; countEnd: () => void }
  /**
   * `lost`: another process has the endpoint; `closed`: the endpoint takes nothing; `settled`: the delivery is no longer
   * pending; `must_wait`: the endpoint's limits or its breaker let nothing start now; `outdated`: it was read before the
   * endpoint asked for the order of each user, or before some of its deliveries were cancelled.
   */
  | { canStart: false; reason: 'lost' | 'closed' | 'settled' | 'filtered' | 'event_missing' | 'must_wait' | 'outdated' }
  | { canStart: false; reason: 'fault'; error: Error }

interface StartRequest {
  pump: Pump
  delivery: DueDelivery
}

/** What one start check has read for all its requests. */
interface CheckedRows {
  endpoints: ReadonlyMap<string, FreshEndpoint>
  events: ReadonlyMap<string, EventBody>
  /** Of the deliveries read before `trustedFrom`, those that are still pending. */
  pending: ReadonlySet<string>
  trustedFrom: number
}

interface StartCheckDeps {
  db: Db
  worker: { id: string }
  contracts: Readonly<Record<string, Contract>>
  keyRing: KeyRing
  loadEventBodies: LoadEventBodies
  now: () => Date
}

/** A row read this long ago may have been cancelled meanwhile, by a resend say: it is read again. */
const TRUSTED_MS = 1_000
const SPACING_MS = 2
const BATCH_MAX = 500

/**
 * The start check: reads, right before attempts start, how their endpoints are now, so that what the API has answered holds
 * from the next attempt on. All attempts that are about to start share a statement, of whatever clients of one group
 * (src/database/client-groups.ts) they are; rows that cannot be read are the fault of their own attempt. Those that may start are
 * counted as started (queue/start-gate.ts).
 */
export const createStartCheck = (deps: StartCheckDeps): AddToBatch<StartRequest, StartVerdict> =>
  createBatcher(
    (requests) =>
      splitUntilAlone<StartRequest, StartVerdict>(requests, {
        async work(some) {
          const rows = await readForCheck(deps, some)
          return some.map((request) => decideStart(deps, request, rows))
        },
        isItemsFault: (error) => !isDatabaseAway(error),
        onAlone: (_, error) => ({ canStart: false, reason: 'fault', error: error as Error }),
      }),
    { max: BATCH_MAX, spacingMs: SPACING_MS, groupOf: ({ pump }) => pump.clientId },
  )

async function readForCheck(deps: StartCheckDeps, requests: readonly StartRequest[]): Promise<CheckedRows> {
  const pumps = [...new Set(requests.map(({ pump }) => pump))]
  const deliveries = requests.map(({ delivery }) => delivery)
  const trustedFrom = performance.now() - TRUSTED_MS
  const readLongAgo = deliveries.filter(({ readAt }) => readAt < trustedFrom)
  const [{ endpoints, deletingClients }, events, pending] = await Promise.all([
    refreshEndpoints(
      deps,
      pumps.map(({ clientId, endpointId, endpoint }) => ({ clientId, id: endpointId, known: endpoint })),
    ),
    deps.loadEventBodies(deliveries),
    readLongAgo.length > 0 ? findStillPending(deps.db, readLongAgo) : new Set<string>(),
  ])
  // The body of one that was deleted may be in memory.
  for (const clientId of deletingClients) {
    const eventIds = deliveries.filter((delivery) => delivery.clientId === clientId).map(({ eventId }) => eventId)
    for (const id of await findDeletedEvents(deps.db, clientId, [...new Set(eventIds)])) events.delete(id)
  }
  return { endpoints, events, pending, trustedFrom }
}

function decideStart(
  { now }: StartCheckDeps,
  { pump, delivery }: StartRequest,
  { endpoints, events, pending, trustedFrom }: CheckedRows,
): StartVerdict {
  const endpoint = endpoints.get(pump.endpointId)
  if (!endpoint || pump.haltReason === 'lost') return { canStart: false, reason: 'lost' }
  if (endpoint instanceof Error) return { canStart: false, reason: 'fault', error: endpoint }
  if (endpoint === 'gone') return { canStart: false, reason: 'closed' }
  adoptEndpoint(pump, endpoint)
  if (endpoint.isClosed) return { canStart: false, reason: 'closed' }
  if (delivery.readAt < pump.staleBefore || (endpoint.isOrdered && !delivery.isFirstOfUser))
    return { canStart: false, reason: 'outdated' }
  if (delivery.readAt < trustedFrom && !pending.has(delivery.id)) return { canStart: false, reason: 'settled' }
  if (!wantsDelivery(endpoint, delivery)) return { canStart: false, reason: 'filtered' }
  const event = events.get(delivery.eventId)
  if (event === undefined) return { canStart: false, reason: 'event_missing' }
  if (nextStartAt(pump, endpoint, { notStarted: 0, now }) > 0) return { canStart: false, reason: 'must_wait' }
  return { canStart: true, endpoint, event, countEnd: countStart(pump, endpoint, now) }
}

/** Takes over how the endpoint is now. */
function adoptEndpoint(pump: Pump, endpoint: Endpoint): void {
  // What another process has started counts as well.
  if (pump.endpoint === null) pump.starts = [...endpoint.recentStarts]
  if (!endpoint.rateLimit && pump.starts.length > 0) pump.starts = []
  pump.endpoint = endpoint
  pump.mustRecheck = false
}
