import type { Db } from '../database/db.ts'
import { createLeasedRuns, type LeasedRuns, type LeasedRunsDeps as RunsDeps } from '../workers/leased-runs.ts'
import { runReplay } from './run.ts'
import { createSlots } from './slots.ts'
import { findRunningReplays, listClientsWithReplays } from './state.ts'

interface Deps extends RunsDeps {
  db: Db
  /** There are new deliveries to this endpoint; `replaced`: some took the place of one that waited. */
  onReplayed: (clientId: string, endpointId: string, replaced: boolean) => void
}

/** Steps of replays that this process has in the database at once, of all clients. */
const MAX_CONCURRENT_STEPS = 2

/** The replaying room: makes the deliveries of replays, each in one process at a time, as the endpoints take them. */
export function startReplayer(deps: Deps): LeasedRuns {
  const runInSlot = createSlots(MAX_CONCURRENT_STEPS)
  return createLeasedRuns(deps, {
    name: 'replay',
    readDueRuns: (clientId) => findRunningReplays(deps.db, clientId),
    readNextDue: async () => null,
    readClients: () => listClientsWithReplays(deps.db),
    // A lost lease may be another's by now: each step begins from the locked row, so that nothing is made twice.
    workOn: (replay, stop) => runReplay({ ...deps, runInSlot }, replay, stop),
  })
}
