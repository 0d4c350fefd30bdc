import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { StopSignal } from '../workers/leased-runs.ts'
import { makeNextDeliveries } from './make-deliveries.ts'
import { selectEvents } from './select-events.ts'
import type { RunInSlot } from './slots.ts'
import { countWaiting, isRunning, type Replay, saveCounts } from './state.ts'
import { FIRST_WINDOW_SIZE, nextWindowSize, roomInWindow } from './window.ts'
import { waitForWriters } from './writers.ts'

export interface ReplayDeps {
  db: Db
  log: Log
  /** There are new deliveries to this endpoint; `replaced`: some took the place of one that waited. */
  onReplayed: (clientId: string, endpointId: string, replaced: boolean) => void
  /** What all replays of this process may do at once in the database: live traffic needs it more. */
  runInSlot: RunInSlot
}

/** Events looked at by one statement: many where few are wanted, few where each is. */
const SCAN = { most: 5_000, least: 500 }
const PAUSE_MS = { least: 100, most: 1_000 }

/** Replays from where the row stands to the end, unless it is cancelled, the endpoint is closed, or it is stopped. */
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
    // A full window that stays full belongs to an endpoint that is slow or down: looked at ever less often.
    pauseMs = room > 0 ? PAUSE_MS.least : Math.min(2 * pauseMs, PAUSE_MS.most)
    if (room > 0) {
      const step = await runInSlot(() => makeNextDeliveries(db, replay, { limit: room, scanLimit: scan }))
      if (step.made > 0) onReplayed(clientId, endpointId, step.replaced)
      if (step.ended) return log.info({ clientId, replayId: id, endpointId }, 'replay.ended')
      scan = step.made === 0 ? SCAN.most : SCAN.least
      wasFilled = step.made === room
      if (!wasFilled) continue
    } else if (!(await isRunning(db, replay))) return
    await stop.pause(pauseMs)
  }
}

/** Counts what there is to replay, by the same look that makes it. False: it was stopped or cancelled meanwhile. */
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
