import { leasedRuns, type Runs, type Deps as RunsDeps } from '../workers/leased-runs.ts'
import { type BackfillDeps as RunDeps, runBackfill } from './run.ts'
import { findDueBackfills, listClientsWithBackfills, nextBackfillTime } from './state.ts'

/** Runs backfills, each in one process at a time. */
export const startBackfiller = (deps: RunDeps & RunsDeps): Runs =>
  leasedRuns(deps, {
    name: 'backfill',
    due: (clientId) => findDueBackfills(deps.db, clientId),
    next: (clientId) => nextBackfillTime(deps.db, clientId),
    clients: () => listClientsWithBackfills(deps.db),
    // A lost lease may be another's by now: what is read twice is known the second time.
    work: (backfill, stop) => runBackfill(deps, backfill, stop),
  })
