import type { Db } from '../database/db.ts'
import { leasedRuns, type Runs, type Deps as RunsDeps } from '../workers/leased-runs.ts'
import { run } from './run.ts'
import { slots } from './slots.ts'
import { clientsWithReplays, runningReplays } from './state.ts'

interface Deps extends RunsDeps {
  db: Db
  /** There are new deliveries to this endpoint; `replaced`: some took the place of one that waited. */
  made: (clientId: string, endpointId: string, replaced: boolean) => void
}

/** Steps of replays that this process has in the database at once, of all clients. */
const AT_ONCE = 2

/** The replaying room: makes the deliveries of replays, each in one process at a time, as the endpoints take them. */
export function replayer(deps: Deps): Runs {
  const shared = slots(AT_ONCE)
  return leasedRuns(deps, {
    name: 'replay',
    due: (clientId) => runningReplays(deps.db, clientId),
    next: async () => null,
    clients: () => clientsWithReplays(deps.db),
    // A lost lease may be another's by now: each step begins from the locked row, so that nothing is made twice.
    work: (replay, stop) => run({ ...deps, slots: shared }, replay, stop),
  })
}
