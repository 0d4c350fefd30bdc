import { LRUCache } from 'lru-cache'
import { isDatabaseAway } from '../database/db.ts'
import { splitUntilAlone } from '../database/split-until-alone.ts'
import type { DeliverContext } from './context.ts'
import { endpointIdOf, leaseUnitOf } from './queue/lease-units.ts'
import { findDueEndpoints, type NextDue } from './queue/next-due.ts'
import type { ClientEndpoint } from './queue/retry-clock.ts'

const ANNOUNCE_AGAIN_MS = 1_000
const ANNOUNCED_MAX = 10_000
/** Deliveries due later than this are found by the sweep in time. */
const HORIZON_SECONDS = 90
/** A client whose endpoints could not be looked for is looked at again after this time. */
const FAULT_PAUSE_MS = 1_000

type ClaimDeps = Pick<DeliverContext, 'db' | 'log' | 'worker' | 'oldestPending' | 'onLeasedElsewhere'>

/**
 * Endpoints of a group that have no pump yet and are to be claimed: named by a wake, or found due. Of clients that were woken without
 * a name, the endpoints with something due are looked for first.
 */
export function createEndpointClaims({ db, log, worker, oldestPending, onLeasedElsewhere }: ClaimDeps) {
  // The client of each endpoint.
  const wokenIds = new Map<string, string>()
  const foundDueIds = new Map<string, string>()
  const clientsToSearch = new Set<string>()
  const announced = new LRUCache<string, true>({ max: ANNOUNCED_MAX, ttl: ANNOUNCE_AGAIN_MS })

  async function searchClients(
    clientIds: readonly string[],
    retryLater: (clientId: string) => void,
  ): Promise<NextDue[]> {
    const found = await splitUntilAlone<string, NextDue[]>(clientIds, {
      async work(some) {
        const byClient = Map.groupBy(
          await findDueEndpoints(db, some, HORIZON_SECONDS, oldestPending),
          ({ clientId }) => clientId,
        )
        return some.map((clientId) => byClient.get(clientId) ?? [])
      },
      isItemsFault: (error) => !isDatabaseAway(error),
      onAlone(clientId, error) {
        log.error({ err: error, clientId }, 'delivery.search_failed')
        setTimeout(() => retryLater(clientId), FAULT_PAUSE_MS).unref()
        return []
      },
    })
    return found.flat()
  }

  // What was only found due may be in work in the other process: two processes that notified each other would never stop.
  function announceElsewhere(elsewhere: readonly { clientId: string; unit: string }[], woken: ReadonlySet<string>) {
    for (const [clientId, units] of Map.groupBy(elsewhere, (unit) => unit.clientId)) {
      if (announced.has(clientId) && !units.some(({ unit }) => woken.has(endpointIdOf(unit)))) continue
      announced.set(clientId, true)
      onLeasedElsewhere(clientId)
    }
  }

  return {
    addWoken: ({ clientId, endpointId }: ClientEndpoint) => void wokenIds.set(endpointId, clientId),
    addFoundDue: ({ clientId, endpointId }: ClientEndpoint) => void foundDueIds.set(endpointId, clientId),
    addClient: (clientId: string) => void clientsToSearch.add(clientId),
    /** The endpoints of woken clients that have something due, or soon will. `retryLater` gets a client that is to be woken again. */
    async findDue(retryLater: (clientId: string) => void): Promise<NextDue[]> {
      if (clientsToSearch.size === 0) return []
      const clientIds = [...clientsToSearch]
      clientsToSearch.clear()
      return searchClients(clientIds, retryLater).catch((error) => {
        // The next run asks again: no other wake may come.
        for (const clientId of clientIds) clientsToSearch.add(clientId)
        throw error
      })
    },
    /** Those that this worker holds now; tells of those that another one has. */
    async claimAll(): Promise<ClientEndpoint[]> {
      const wanted = new Map([...foundDueIds, ...wokenIds])
      if (wanted.size === 0) return []
      const woken = new Set(wokenIds.keys())
      const { held, elsewhere } = await worker.claimUnits(
        [...wanted].map(([endpointId, clientId]) => ({ clientId, unit: leaseUnitOf(endpointId) })),
      )
      for (const endpointId of wanted.keys()) {
        if (woken.has(endpointId)) wokenIds.delete(endpointId)
        foundDueIds.delete(endpointId)
      }
      announceElsewhere(elsewhere, woken)
      return held.map(({ clientId, unit }) => ({ clientId, endpointId: endpointIdOf(unit) }))
    },
    isEmpty: () => wokenIds.size + foundDueIds.size + clientsToSearch.size === 0,
  }
}
