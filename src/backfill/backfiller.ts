import { createLeasedRuns, type LeasedRuns, type LeasedRunsDeps as RunsDeps } from '../workers/leased-runs.ts'
import { type BackfillDeps as RunDeps, runBackfill } from './run.ts'
import { findDueBackfills, listClientsWithBackfills, nextBackfillTime } from './state.ts'

/** Starts the room that runs backfills, each in one process at a time. */
export const startBackfiller = (deps: RunDeps & RunsDeps): LeasedRuns =>
  createLeasedRuns(deps, {
    name: 'backfill',
    readDueRuns: (clientId) => findDueBackfills(deps.db, clientId),
    readNextDue: (clientId) => nextBackfillTime(deps.db, clientId),
    readClients: () => listClientsWithBackfills(deps.db),
    // Another process may hold the lease by now: events that are read twice are duplicates the second time.
    workOn: (backfill, stop) => runBackfill(deps, backfill, stop),
  })
