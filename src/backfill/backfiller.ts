import { leasedRuns, type Runs, type Deps as RunsDeps } from '../workers/leased-runs.ts'
import { type Deps as RunDeps, run } from './run.ts'
import { clientsWithBackfills, dueBackfills, nextBackfill } from './state.ts'

/** Runs backfills, each in one process at a time. */
export const backfiller = (deps: RunDeps & RunsDeps): Runs =>
  leasedRuns(deps, {
    name: 'backfill',
    due: (clientId) => dueBackfills(deps.db, clientId),
    next: (clientId) => nextBackfill(deps.db, clientId),
    clients: () => clientsWithBackfills(deps.db),
    // A lost lease may be another's by now: what is read twice is known the second time.
    work: (backfill, stop) => run(deps, backfill, stop),
  })
