import type { Contract } from '../contracts/contract.ts'
import type { Db } from '../database/db.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import { type Add, batcher } from '../workers/batcher.ts'
import type { EventBodies, StoredEvent } from './attempt/event-bodies.ts'
import { type Endpoint, freshEndpoints, wants } from './endpoint/endpoint.ts'
import { type Due, stillPending } from './queue/due-deliveries.ts'
import type { Pump } from './queue/pump.ts'
import { opensAt, started } from './queue/start-gate.ts'

/** Whether a delivery may be attempted now, and with what. */
export type Verdict =
  | { go: true; endpoint: Endpoint; event: StoredEvent; isProbe: boolean }
  /**
   * `lost`: another process has the endpoint; `closed`: the endpoint takes nothing; `settled`: the delivery is no longer
   * pending; `held`: the endpoint's limits or its breaker let nothing start now; `outdated`: it was read before the endpoint
   * asked for the order of each user, or before something of it was cancelled.
   */
  | { go: false; why: 'lost' | 'closed' | 'settled' | 'filtered' | 'event_missing' | 'held' | 'outdated' }
  | { go: false; why: 'fault'; error: Error }

interface Deps {
  db: Db
  worker: { id: string }
  contracts: Readonly<Record<string, Contract>>
  keyRing: KeyRing
  bodies: EventBodies
  now: () => Date
}

/** A row read this long ago may have been cancelled meanwhile, by a resend say: it is looked at again. */
const TRUSTED_MS = 1_000
const SPACING_MS = 2

/**
 * Asks the database, right before an attempt starts, how its endpoint is now, so that what the API has answered holds from
 * the next attempt on. All attempts of one client that are about to start share a statement. Those that may start are
 * counted as started (gate.ts).
 */
export const readiness = (deps: Deps, clientId: string): Add<{ pump: Pump; due: Due }, Verdict> =>
  batcher(
    async (asked) => {
      const pumps = [...new Set(asked.map(({ pump }) => pump))]
      const trustedFrom = performance.now() - TRUSTED_MS
      const doubtful = asked.filter(({ due }) => due.readAt < trustedFrom).map(({ due }) => due)
      const [endpoints, events, pending] = await Promise.all([
        freshEndpoints(
          deps,
          clientId,
          pumps.map(({ endpointId, endpoint }) => ({ id: endpointId, known: endpoint })),
        ),
        deps.bodies(clientId, new Set(asked.map(({ due }) => due.eventId))),
        doubtful.length > 0 ? stillPending(deps.db, clientId, doubtful) : null,
      ])
      return asked.map(({ pump, due }): Verdict => {
        const endpoint = endpoints.get(pump.endpointId)
        if (!endpoint || pump.halted === 'lost') return { go: false, why: 'lost' }
        if (endpoint instanceof Error) return { go: false, why: 'fault', error: endpoint }
        if (endpoint === 'gone') return { go: false, why: 'closed' }
        knows(pump, endpoint)
        if (endpoint.closed) return { go: false, why: 'closed' }
        if (due.readAt < pump.doubtedAt || (endpoint.ordered && !due.inOrder)) return { go: false, why: 'outdated' }
        if (due.readAt < trustedFrom && !pending?.has(due.id)) return { go: false, why: 'settled' }
        if (!wants(endpoint, due)) return { go: false, why: 'filtered' }
        const event = events.get(due.eventId)
        if (event === undefined) return { go: false, why: 'event_missing' }
        if (opensAt(pump, 0, deps.now) > 0) return { go: false, why: 'held' }
        return { go: true, endpoint, event, ...started(pump, deps.now) }
      })
    },
    { spacingMs: SPACING_MS },
  )

/** Takes over how the endpoint is now. */
function knows(pump: Pump, endpoint: Endpoint): void {
  // What another process has sent counts as well.
  if (pump.endpoint === null) pump.starts = [...endpoint.starts]
  if (!endpoint.rateLimit && pump.starts.length > 0) pump.starts = []
  pump.endpoint = endpoint
  pump.woken = false
}
