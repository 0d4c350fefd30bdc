import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { Stop } from '../workers/leased-runs.ts'
import { makeNext } from './make.ts'
import type { Slots } from './slots.ts'
import { counted, isRunning, type Replay, waiting } from './state.ts'
import { walk } from './walk.ts'
import { FIRST_WINDOW, nextWindow, roomIn } from './window.ts'
import { writersEnded } from './writers.ts'

export interface Deps {
  db: Db
  log: Log
  /** There are new deliveries to this endpoint; `replaced`: some took the place of one that waited. */
  made: (clientId: string, endpointId: string, replaced: boolean) => void
  /** What all replays of this process may do at once in the database: live traffic needs it more. */
  slots: Slots
}

/** Events looked at by one statement: many where few are wanted, few where each is. */
const SCAN = { most: 5_000, least: 500 }
const PAUSE_MS = { least: 100, most: 1_000 }

/** Replays from where the row stands to the end, unless it is cancelled, the endpoint is closed, or it is stopped. */
export async function run(deps: Deps, replay: Replay, stop: Stop): Promise<void> {
  const { db, log, slots, made } = deps
  const { clientId, endpointId, id } = replay
  if (replay.found === null && !(await count(deps, replay, stop))) return

  let window = FIRST_WINDOW
  let filled = false
  let pauseMs = PAUSE_MS.least
  let scan = SCAN.least
  while (!stop.stopped()) {
    const now = await slots(() => waiting(db, replay))
    window = nextWindow(window, now, filled)
    const room = roomIn(window, now)
    // A full window that stays full belongs to an endpoint that is slow or down: looked at ever less often.
    pauseMs = room > 0 ? PAUSE_MS.least : Math.min(2 * pauseMs, PAUSE_MS.most)
    if (room > 0) {
      const step = await slots(() => makeNext(db, replay, { most: room, scan }))
      if (step.made > 0) made(clientId, endpointId, step.replaced)
      if (step.ended) return log.info({ clientId, replayId: id, endpointId }, 'replay.ended')
      scan = step.made === 0 ? SCAN.most : SCAN.least
      filled = step.made === room
      if (!filled) continue
    } else if (!(await isRunning(db, replay))) return
    await stop.pause(pauseMs)
  }
}

/** Counts what there is to replay, by the same look that makes it. False: it was stopped or cancelled meanwhile. */
async function count({ db, slots }: Deps, replay: Replay, stop: Stop): Promise<boolean> {
  await writersEnded(db, replay.clientId, stop)
  let [found, expired] = [0, 0]
  for (let [after, counting] = [replay.reached, true]; counting; ) {
    if (stop.stopped() || !(await isRunning(db, replay))) return false
    const look = await slots(() => walk(db, replay, { after, scan: SCAN.most, most: SCAN.most }))
    found += look.events.length
    expired += look.expired
    after = look.reached
    counting = !look.all
  }
  await counted(db, replay, { found, expired })
  return true
}
