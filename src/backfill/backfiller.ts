import { createLeasedRuns, type LeasedRuns, type LeasedRunsDeps as RunsDeps } from '../workers/leased-runs.ts'
import { type BackfillDeps as RunDeps, runBackfill } from './run.ts'
import { findDueBackfills, listClientsWithBackfills, nextBackfillTime } from './state.ts'

/** Runs backfills, each in one process at a time. */
export const startBackfiller = (deps: RunDeps & RunsDeps): LeasedRuns =>
  createLeasedRuns(deps, {
    name: 'backfill',
    readDueRuns: (clientId) => findDueBackfills(deps.db, clientId),
    readNextDue: (clientId) => nextBackfillTime(deps.db, clientId),
    readClients: () => listClientsWithBackfills(deps.db),
    // A lost lease may be another's by now: what is read twice is known the second time.
    workOn: (backfill, stop) => runBackfill(deps, backfill, stop),
  })
