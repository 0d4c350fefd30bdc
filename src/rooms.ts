import type { Offers } from '../mappings/offer.ts'
import { startBackfiller } from './backfill/backfiller.ts'
import type { Config } from './config.ts'
import type { ClientGroups } from './database/client-groups.ts'
import type { Db } from './database/db.ts'
import { createDeliverer } from './deliver/deliverer.ts'
import { OPERATOR_CLIENT } from './domain/ids.ts'
import { fanOut } from './fanout/fanout.ts'
import { createHydrator } from './hydrate/hydrator.ts'
import type { Log } from './log.ts'
import { createTunnels } from './network/egress-proxy.ts'
import { GATEWAY_LOOKUPS, type HostNames, lookupFor } from './network/names/host-names.ts'
import { createStripeApi } from './network/stripe-api.ts'
import { createNormalizer } from './normalize/lanes.ts'
import { LANES, laneOf } from './receive/lane.ts'
import { createListedEventStore } from './receive/listed-events.ts'
import { startReplayer } from './replay/replayer.ts'
import { startEraser } from './retention/deletion/eraser.ts'
import { createRouter } from './route/router.ts'
import type { KeyRing } from './secrets/keyring.ts'
import type { Watch } from './watch.ts'
import type { Wakes } from './workers/wakes.ts'
import type { WorkRoom } from './workers/work-rooms.ts'
import type { RegisteredWorker } from './workers/worker.ts'

/** Wakes a room for a client, wherever the room runs. */
export type WakeRoom = Record<Exclude<WorkRoom, 'deliver'>, (clientId: string) => void> & {
  deliver: (clientId: string, endpointIds?: string[], options?: { reread?: boolean }) => void
}

/** What the rooms of a process share. */
export interface SharedDeps extends Offers {
  db: Db
  /** Which clients share a statement. */
  groups: ClientGroups
  log: Log
  config: Config
  keyRing: KeyRing
  worker: RegisteredWorker
  watch: Required<Watch>
  /** Addresses of what is connected to. */
  names: HostNames
  /** The database's clock: of all that is stored as due, held or live. */
  now: () => Date
  /** The clock of this machine: of what is signed. */
  wallClock: () => Date
  random: () => number
}

/** The rooms of the role `work`: what is normalised and fanned out wakes the delivering room right here. */
export function startRooms(shared: SharedDeps, wakes: Wakes) {
  const lookup = lookupFor(shared.names, GATEWAY_LOOKUPS)
  const tunnels = shared.config.egressProxy && createTunnels(shared.config.egressProxy, lookup)
  const deliver = createDeliverer({
    ...shared,
    tunnels,
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('deliver', clientId),
    scheduleBackstop: wakes.wakeDeliverAt,
  })
  const normalize = createNormalizer({
    ...shared,
    ...shared.config,
    laneCount: LANES,
    fanOut,
    onDeliveriesCreated: (clientId, endpointIds, created) => deliver.wake(clientId, endpointIds, { created }),
    onFetchRequested: (clientId) => hydrate.wake(clientId),
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('normalize', clientId),
  })
  const route = createRouter({
    ...shared,
    hydrateSeconds: shared.config.hydrateSeconds,
    onRouted: normalize.wake,
    onFetchRequested: (clientId) => hydrate.wake(clientId),
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('route', clientId),
  })
  const stripe = createStripeApi({ base: shared.config.stripeApiBase, tunnels, lookup })
  const hydrate = createHydrator({
    ...shared,
    stripe,
    laneOf,
    onFetched(clientId) {
      normalize.wake(clientId)
      // What Stripe tells of its events may name their clients.
      if (clientId === OPERATOR_CLIENT) route.wake(clientId)
    },
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('hydrate', clientId),
  })
  const backfill = startBackfiller({
    ...shared,
    stripe,
    storeListed: createListedEventStore({
      ...shared,
      holdSeconds: shared.config.holdSeconds,
      onStored: normalize.wake,
      onUnsettled: route.wake,
    }),
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('backfill', clientId),
  })
  const replay = startReplayer({
    ...shared,
    onReplayed: (clientId, endpointId, { replaced }) => deliver.wake(clientId, [endpointId], { reread: replaced }),
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('replay', clientId),
  })
  const erase = startEraser({
    ...shared,
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('erase', clientId),
  })
  const rooms = { normalize, deliver, hydrate, backfill, replay, erase, route }
  const inEachRoom = (act: (room: (typeof rooms)[WorkRoom]) => Promise<unknown>) =>
    Promise.all(Object.values(rooms).map(act))
  return {
    byName: rooms,
    wakeRoom: {
      normalize: normalize.wake,
      deliver: deliver.wake,
      hydrate: hydrate.wake,
      backfill: backfill.wake,
      replay: replay.wake,
      erase: erase.wake,
      route: route.wake,
    },
    readLoad: () => ({ clientsWaiting: normalize.waitingClientCount(), attemptsInFlight: deliver.inFlight() }),
    async sweep() {
      await shared.groups.refreshGroups()
      await inEachRoom((room) => room.sweep())
    },
    stop: () => inEachRoom((room) => room.stop()),
  }
}

/** The rooms run in other processes: whichever worker picks up the job wakes its own. */
export const wakeRoomsElsewhere = (wakes: Wakes): WakeRoom => ({
  normalize: (clientId) => wakes.wakeAnywhere('normalize', clientId),
  deliver: (clientId) => wakes.wakeAnywhere('deliver', clientId),
  hydrate: (clientId) => wakes.wakeAnywhere('hydrate', clientId),
  backfill: (clientId) => wakes.wakeAnywhere('backfill', clientId),
  replay: (clientId) => wakes.wakeAnywhere('replay', clientId),
  erase: (clientId) => wakes.wakeAnywhere('erase', clientId),
  route: (clientId) => wakes.wakeAnywhere('route', clientId),
})
