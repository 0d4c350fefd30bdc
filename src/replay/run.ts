import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { StopSignal } from '../workers/leased-runs.ts'
import { makeNextDeliveries } from './make-deliveries.ts'
import { selectEvents } from './select-events.ts'
import { countWaiting, isRunning, type Replay, saveCounts } from './state.ts'
import { FIRST_WINDOW_SIZE, nextWindowSize, roomInWindow } from './window.ts'
import { waitForWriters } from './writers.ts'

/** Called when an endpoint has new deliveries. `replaced`: some of them replaced a pending one. */
export type OnReplayed = (clientId: string, endpointId: string, how: { replaced: boolean }) => void

export interface ReplayDeps {
  db: Db
  log: Log
  onReplayed: OnReplayed
  /** Limits what all replays of this process do in the database at once: live traffic needs it more. */
  runInSlot: <T>(work: () => Promise<T>) => Promise<T>
}

/** How many events one statement looks at: many where few of them match, few where most do. */
const SCAN = { most: 5_000, least: 500 }
const PAUSE_MS = { least: 100, most: 1_000 }

/** Replays from where the row stands to the end, unless the replay is cancelled or stopped, or the endpoint is disabled or deleted. */
export async function runReplay(deps: ReplayDeps, replay: Replay, stop: StopSignal): Promise<void> {
  const { db, log, runInSlot, onReplayed } = deps
  const { clientId, endpointId, id } = replay
  if (replay.found === null && !(await countEvents(deps, replay, stop))) return

  let window = FIRST_WINDOW_SIZE
  let wasFilled = false
  let pauseMs = PAUSE_MS.least
  let scan = SCAN.least
  while (!stop.isStopped()) {
    const waiting = await runInSlot(() => countWaiting(db, replay))
    window = nextWindowSize(window, waiting, wasFilled)
    const room = roomInWindow(window, waiting)
    // A window that stays full belongs to an endpoint that is slow or down: it is looked at less and less often.
    pauseMs = room > 0 ? PAUSE_MS.least : Math.min(2 * pauseMs, PAUSE_MS.most)
    if (room > 0) {
      const step = await runInSlot(() => makeNextDeliveries(db, replay, { limit: room, scanLimit: scan }))
      if (step.made > 0) onReplayed(clientId, endpointId, { replaced: step.replaced })
      if (step.ended) return log.info({ clientId, replayId: id, endpointId }, 'replay.ended')
      scan = step.made === 0 ? SCAN.most : SCAN.least
      wasFilled = step.made === room
      if (!wasFilled) continue
    } else if (!(await isRunning(db, replay))) return
    await stop.pause(pauseMs)
  }
}

/** Counts what there is to replay, by the same statement that selects it. False: it was stopped or cancelled meanwhile. */
async function countEvents({ db, runInSlot }: ReplayDeps, replay: Replay, stop: StopSignal): Promise<boolean> {
  await waitForWriters(db, replay.clientId, stop)
  let [found, expired] = [0, 0]
  for (let [after, unfinished] = [replay.reached, true]; unfinished; ) {
    if (stop.isStopped() || !(await isRunning(db, replay))) return false
    const page = await runInSlot(() => selectEvents(db, replay, { after, scanLimit: SCAN.most, limit: SCAN.most }))
    found += page.events.length
    expired += page.expired
    after = page.reached
    unfinished = !page.isComplete
  }
  await saveCounts(db, replay, { found, expired })
  return true
}
