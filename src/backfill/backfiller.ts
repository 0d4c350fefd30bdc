import { createFairSlots } from '../workers/fair-slots.ts'
import { createLeasedRuns, type LeasedRuns, type LeasedRunsDeps as RunsDeps } from '../workers/leased-runs.ts'
import { type BackfillDeps as RunDeps, runBackfill } from './run.ts'
import { findDueBackfills, listClientsWithBackfills, nextBackfillTimes } from './state.ts'

/** Windows that a process has in memory at once, over the backfills of all clients; one for each client at most. */
const MAX_CONCURRENT_WINDOWS = 16

/** Starts the room that runs backfills, each in one process at a time; clients take turns, and so do the sources of a client. */
export function startBackfiller(deps: Omit<RunDeps, 'runInTurn'> & RunsDeps): LeasedRuns {
  const slots = createFairSlots({ max: MAX_CONCURRENT_WINDOWS, perGroup: 1 })
  return createLeasedRuns(deps, {
    name: 'backfill',
    readDueRuns: (clientIds) => findDueBackfills(deps.db, clientIds),
    readNextDue: (clientIds) => nextBackfillTimes(deps.db, clientIds),
    readClients: () => listClientsWithBackfills(deps.db),
    // Another process may hold the lease by now: events that are read twice are duplicates the second time.
    workOn: (backfill, stop) =>
      runBackfill({ ...deps, runInTurn: (work) => slots.run(backfill.clientId, work) }, backfill, stop),
  })
}
