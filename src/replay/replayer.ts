import type { Db } from '../database/db.ts'
import { createFairSlots } from '../workers/fair-slots.ts'
import { createLeasedRuns, type LeasedRuns, type LeasedRunsDeps as RunsDeps } from '../workers/leased-runs.ts'
import { type OnReplayed, runReplay } from './run.ts'
import { findRunningReplays, listClientsWithReplays } from './state.ts'

interface Deps extends RunsDeps {
  db: Db
  onReplayed: OnReplayed
}

/** How many steps this process runs in the database at once, over the replays of all clients; one for each client at most. */
const MAX_CONCURRENT_STEPS = 2

/** Starts the replaying room: makes the deliveries of replays as fast as endpoints take them, each replay in one process at a time. */
export function startReplayer(deps: Deps): LeasedRuns {
  const slots = createFairSlots({ max: MAX_CONCURRENT_STEPS, perGroup: 1 })
  return createLeasedRuns(deps, {
    name: 'replay',
    readDueRuns: (clientIds) => findRunningReplays(deps.db, clientIds),
    readClients: () => listClientsWithReplays(deps.db),
    // Another process may hold the lease by now: each step starts from the locked row, so that nothing is made twice.
    workOn: (replay, stop) =>
      runReplay({ ...deps, runInSlot: (work) => slots.run(replay.clientId, work) }, replay, stop),
  })
}
