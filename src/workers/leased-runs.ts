import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import { createGrowingPause, type GrowingPause } from './growing-pause.ts'
import type { Worker } from './worker.ts'

/** A long piece of work of one client, of which a row says how far it is: a backfill, a replay. */
interface LongRun {
  clientId: string
  id: string
}

/** How a run learns that it has to stop where it is. */
export interface StopSignal {
  /** The process ends, or the lease may be another's by now. */
  isStopped: () => boolean
  /** Fulfilled when the process ends: nothing may be awaited any longer. */
  stopping: Promise<'stopping'>
  /** Waits for `ms`, or until the process ends. */
  pause: (ms: number) => Promise<void>
}

interface RunKind<Run extends LongRun> {
  /** The prefix of its units and of its log events. */
  name: string
  /** The client's runs that are to be worked on now. */
  readDueRuns: (clientId: string) => Promise<Run[]>
  /** When the client's next one is due; null: none will be by itself. */
  readNextDue: (clientId: string) => Promise<Date | null>
  /** The clients that have such runs. */
  readClients: () => Promise<string[]>
  /** Continues from where the row says, to the end or until it is stopped. What it throws is logged, and it is begun again. */
  workOn: (run: Run, stop: StopSignal) => Promise<void>
}

export interface LeasedRunsDeps {
  db: Db
  log: Log
  worker: Worker
  /** The database's clock, by which runs are due. */
  now?: () => Date
  /** Another process works on a run of this client: it should know that there is work. */
  onLeasedElsewhere: (clientId: string) => void
}

/** A room that works on such runs. */
export interface LeasedRuns {
  /** There may be a run of this client to work on. Returns at once. */
  wake(clientId: string): void
  /** Wakes every client that has one. */
  sweep(): Promise<void>
  /** Stops the running ones where they are; they go on in another process, or at the next start. */
  stop(): Promise<void>
}

const RETRY_MS = 1000

/** Works on all runs of a kind, each in one process at a time. After `kill -9` another process continues from the row. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one closure around the state of the runs; its parts are short functions.
export function createLeasedRuns<Run extends LongRun>(
  { log, worker, now = () => new Date(), onLeasedElsewhere }: LeasedRunsDeps,
  kind: RunKind<Run>,
): LeasedRuns {
  const looksUnderWay = new Map<string, Promise<void>>()
  const wokenMeanwhile = new Set<string>()
  const timers = new Map<string, NodeJS.Timeout>()
  // Of clients for whom the last look failed.
  const pauses = new Map<string, GrowingPause>()
  const running = new Map<string, Promise<void>>()
  // Failed a moment ago: begun again at once, they would probably fail again.
  const paused = new Map<string, NodeJS.Timeout>()
  const stopping = Promise.withResolvers<'stopping'>()
  // Not a race with the promise above, which would keep every pause of a long run in memory.
  const sleepers = new Set<() => void>()
  let stopped = false
  let leaseGeneration = 0
  const unitOf = (id: string) => `${kind.name}:${id}`

  const wake = (clientId: string) => {
    if (stopped) return
    if (looksUnderWay.has(clientId)) return void wokenMeanwhile.add(clientId)
    const look = lookForRuns(clientId)
      .then(() => void pauses.delete(clientId))
      .catch((error) => {
        log.error({ clientId, err: error }, `${kind.name}.look_failed`)
        const pause = pauses.get(clientId) ?? createGrowingPause({ firstMs: RETRY_MS })
        pauses.set(clientId, pause)
        wakeIn(clientId, pause.next())
      })
      .finally(() => {
        looksUnderWay.delete(clientId)
        if (wokenMeanwhile.delete(clientId)) wake(clientId)
      })
    looksUnderWay.set(clientId, look)
  }

  const lookForRuns = async (clientId: string) => {
    const readIdleRuns = async () =>
      (await kind.readDueRuns(clientId)).filter(({ id }) => !running.has(id) && !paused.has(id))
    const units = (await readIdleRuns()).map(({ id }) => ({ clientId, unit: unitOf(id) }))
    const { held, elsewhere } = await worker.claimUnits(units)
    const heldUnits = new Set(held.map(({ unit }) => unit))
    if (elsewhere.length > 0) onLeasedElsewhere(clientId)
    // Looked at again under the lease: it may have gone on, or ended, between the look and the claim.
    const mine = held.length > 0 ? (await readIdleRuns()).filter(({ id }) => heldUnits.has(unitOf(id))) : []
    if (!stopped) for (const run of mine) beginRun(run)
    const begun = new Set([...running.keys()].map(unitOf))
    await worker.releaseUnits(held.filter(({ unit }) => !begun.has(unit)))
    const next = await kind.readNextDue(clientId)
    const waitMs = next ? next.getTime() - now().getTime() : 0
    if (waitMs > 0) wakeIn(clientId, waitMs)
  }

  const beginRun = (run: Run) => {
    const { clientId, id } = run
    const logFields = { clientId, [`${kind.name}Id`]: id }
    const generation = leaseGeneration
    const ended = kind
      .workOn(run, {
        isStopped: () => stopped || generation !== leaseGeneration,
        stopping: stopping.promise,
        pause: sleepFor,
      })
      .catch((error) => {
        log.error({ ...logFields, err: error }, `${kind.name}.broke_off`)
        pauseRun(run)
      })
      .then(() => worker.releaseUnits([{ clientId, unit: unitOf(id) }]))
      .catch((error) => log.error({ ...logFields, err: error }, `${kind.name}.not_released`))
      .finally(() => {
        running.delete(id)
        wake(clientId)
      })
    running.set(id, ended)
  }

  const sleepFor = (ms: number) =>
    new Promise<void>((resolve) => {
      const wakeUp = () => {
        clearTimeout(timer)
        sleepers.delete(wakeUp)
        resolve()
      }
      const timer = setTimeout(wakeUp, stopped ? 0 : ms)
      sleepers.add(wakeUp)
    })

  const pauseRun = ({ clientId, id }: Run) => {
    if (stopped) return
    const timer = setTimeout(() => {
      paused.delete(id)
      wake(clientId)
    }, RETRY_MS)
    paused.set(id, timer)
  }

  const wakeIn = (clientId: string, waitMs: number) => {
    clearTimeout(timers.get(clientId))
    timers.delete(clientId)
    if (!stopped)
      timers.set(
        clientId,
        setTimeout(() => wake(clientId), waitMs + 5),
      )
  }

  const sweep = async () => {
    for (const clientId of await kind.readClients()) wake(clientId)
  }

  worker.onLost(() => {
    leaseGeneration += 1
  })
  worker.onReady(sweep)

  return {
    wake,
    sweep,
    async stop() {
      stopped = true
      stopping.resolve('stopping')
      for (const wakeUp of [...sleepers]) wakeUp()
      for (const timer of [...timers.values(), ...paused.values()]) clearTimeout(timer)
      await Promise.all([...looksUnderWay.values(), ...running.values()])
    },
  }
}
