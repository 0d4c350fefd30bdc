import type { Contract } from '../contracts/contract.ts'
import type { Db } from '../database/db.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import { type AddToBatch, createBatcher } from '../workers/batcher.ts'
import type { EventBody, LoadEventBodies } from './attempt/event-bodies.ts'
import { type Endpoint, refreshEndpoints, wantsDelivery } from './endpoint/endpoint.ts'
import { type DueDelivery, findStillPending } from './queue/due-deliveries.ts'
import type { Pump } from './queue/pump.ts'
import { countStart, nextStartAt } from './queue/start-gate.ts'

/** Whether a delivery may be attempted now, and with what. */
export type StartVerdict =
  | { go: true; endpoint: Endpoint; event: EventBody; isProbe: boolean }
  /**
   * `lost`: another process has the endpoint; `closed`: the endpoint takes nothing; `settled`: the delivery is no longer
   * pending; `held`: the endpoint's limits or its breaker let nothing start now; `outdated`: it was read before the endpoint
   * asked for the order of each user, or before something of it was cancelled.
   */
  | { go: false; why: 'lost' | 'closed' | 'settled' | 'filtered' | 'event_missing' | 'held' | 'outdated' }
  | { go: false; why: 'fault'; error: Error }

interface StartCheckDeps {
  db: Db
  worker: { id: string }
  contracts: Readonly<Record<string, Contract>>
  keyRing: KeyRing
  loadEventBodies: LoadEventBodies
  now: () => Date
}

/** A row read this long ago may have been cancelled meanwhile, by a resend say: it is looked at again. */
const TRUSTED_MS = 1_000
const SPACING_MS = 2

/**
 * Asks the database, right before an attempt starts, how its endpoint is now, so that what the API has answered holds from
 * the next attempt on. All attempts of one client that are about to start share a statement. Those that may start are
 * counted as started (queue/start-gate.ts).
 */
export const createStartCheck = (
  deps: StartCheckDeps,
  clientId: string,
): AddToBatch<{ pump: Pump; delivery: DueDelivery }, StartVerdict> =>
  createBatcher(
    async (starts) => {
      const pumps = [...new Set(starts.map(({ pump }) => pump))]
      const trustedFrom = performance.now() - TRUSTED_MS
      const readLongAgo = starts.filter(({ delivery }) => delivery.readAt < trustedFrom).map(({ delivery }) => delivery)
      const [endpoints, events, pending] = await Promise.all([
        refreshEndpoints(
          deps,
          clientId,
          pumps.map(({ endpointId, endpoint }) => ({ id: endpointId, known: endpoint })),
        ),
        deps.loadEventBodies(clientId, new Set(starts.map(({ delivery }) => delivery.eventId))),
        readLongAgo.length > 0 ? findStillPending(deps.db, clientId, readLongAgo) : null,
      ])
      return starts.map(({ pump, delivery }): StartVerdict => {
        const endpoint = endpoints.get(pump.endpointId)
        if (!endpoint || pump.haltReason === 'lost') return { go: false, why: 'lost' }
        if (endpoint instanceof Error) return { go: false, why: 'fault', error: endpoint }
        if (endpoint === 'gone') return { go: false, why: 'closed' }
        adoptEndpoint(pump, endpoint)
        if (endpoint.isClosed) return { go: false, why: 'closed' }
        if (delivery.readAt < pump.staleBefore || (endpoint.isOrdered && !delivery.isFirstOfUser))
          return { go: false, why: 'outdated' }
        if (delivery.readAt < trustedFrom && !pending?.has(delivery.id)) return { go: false, why: 'settled' }
        if (!wantsDelivery(endpoint, delivery)) return { go: false, why: 'filtered' }
        const event = events.get(delivery.eventId)
        if (event === undefined) return { go: false, why: 'event_missing' }
        if (nextStartAt(pump, 0, deps.now) > 0) return { go: false, why: 'held' }
        return { go: true, endpoint, event, ...countStart(pump, deps.now) }
      })
    },
    { spacingMs: SPACING_MS },
  )

/** Takes over how the endpoint is now. */
function adoptEndpoint(pump: Pump, endpoint: Endpoint): void {
  // What another process has sent counts as well.
  if (pump.endpoint === null) pump.starts = [...endpoint.recentStarts]
  if (!endpoint.rateLimit && pump.starts.length > 0) pump.starts = []
  pump.endpoint = endpoint
  pump.mustRecheck = false
}
