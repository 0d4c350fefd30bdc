import { createLeaseLoop } from './lease-loop.ts'
import { type HeldUnits, type LeaseLoop, type LeaseLoopDeps, type NextLook, NOT_BY_ITSELF } from './leased-room.ts'

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

/** Of runs of one kind. The clients of a call are of one group (client-groups.ts). */
interface RunKind<Run extends LongRun> {
  /** The prefix of its units and of its log events. */
  name: string
  /** The clients' runs that are to be worked on now. */
  readDueRuns: (clientIds: readonly string[]) => Promise<Run[]>
  /** When each client's next one is due, in milliseconds; left out: none will be by itself. */
  readNextDue?: (clientIds: readonly string[]) => Promise<ReadonlyMap<string, number>>
  /** The clients that have such runs. */
  readClients: () => Promise<string[]>
  /** Continues from where the row says, to the end or until it is stopped. What it throws is logged, and it is begun again. */
  workOn: (run: Run, stop: StopSignal) => Promise<void>
}

export type LeasedRunsDeps = LeaseLoopDeps

/** A room that works on such runs. Its `stop` stops the running ones where they are; they go on in another process, or at the next start. */
export type LeasedRuns = LeaseLoop

const RETRY_MS = 1000

/** Works on all runs of a kind, each in one process at a time. After `kill -9` another process continues from the row. */
export function createLeasedRuns<Run extends LongRun>(deps: LeasedRunsDeps, kind: RunKind<Run>): LeasedRuns {
  const { now } = deps
  const runs = createRuns({ ...deps, onEnded: (clientId) => loop.wake(clientId) }, kind)
  const unitOf = (id: string) => `${kind.name}:${id}`
  const readIdleRuns = async (clientIds: readonly string[]) =>
    (await kind.readDueRuns(clientIds)).filter(({ id }) => runs.mayBegin(id))
  const readNextDue = async (clientIds: readonly string[]) => (await kind.readNextDue?.(clientIds)) ?? new Map()

  const workOn = async (unitsOfClients: ReadonlyMap<string, HeldUnits>): Promise<ReadonlyMap<string, NextLook>> => {
    const clientIds = [...unitsOfClients.keys()]
    // Looked at again under the lease: a run may have gone on, or ended, between the look and the claim.
    for (const run of await readIdleRuns(clientIds))
      if (unitsOfClients.get(run.clientId)?.has(unitOf(run.id))) runs.beginRun(run)
    const next = await readNextDue(clientIds)
    const busy = runs.listBusyClients()
    return new Map(
      clientIds.map((clientId) => {
        const dueAt = next.get(clientId) ?? NOT_BY_ITSELF
        // What is due already runs here, or elsewhere.
        const at = dueAt > now().getTime() ? dueAt : NOT_BY_ITSELF
        return [clientId, { isBusy: busy.has(clientId), at: Math.min(at, runs.resumesAt(clientId)) }]
      }),
    )
  }
  const loop = createLeaseLoop(deps, {
    name: kind.name,
    listUnits: async (clientIds) =>
      (await readIdleRuns(clientIds)).map(({ clientId, id }) => ({ clientId, unit: unitOf(id) })),
    workOn,
    async readNextDue(clientIds) {
      const due = (await readIdleRuns(clientIds)).map(({ clientId }) => [clientId, now().getTime()] as const)
      return new Map([...(await readNextDue(clientIds)), ...due])
    },
    readDueClients: kind.readClients,
    untilEnded: runs.untilEnded,
  })
  return {
    ...loop,
    stop() {
      runs.stopAll()
      return loop.stop()
    },
  }
}

/** The runs that go on in this process. */
function createRuns<Run extends LongRun>(
  { log, worker, now, onEnded }: LeasedRunsDeps & { onEnded: (clientId: string) => void },
  kind: RunKind<Run>,
) {
  const running = new Map<string, { clientId: string; ended: Promise<void> }>()
  // Failed a moment ago: begun again at once, they would probably fail again.
  const paused = new Map<string, { clientId: string; until: number }>()
  const restOf = ({ until }: { until: number }) => until - performance.now()
  const sleep = createSleep()
  let leaseGeneration = 0
  worker.onLost(() => {
    leaseGeneration += 1
  })
  return {
    mayBegin(id: string): boolean {
      const pause = paused.get(id)
      if (pause && restOf(pause) <= 0) paused.delete(id)
      return !running.has(id) && !paused.has(id)
    },
    beginRun(run: Run) {
      const { clientId, id } = run
      const generation = leaseGeneration
      const isStopped = () => sleep.isStopped() || generation !== leaseGeneration
      if (isStopped()) return
      const ended = kind
        .workOn(run, { isStopped, stopping: sleep.stopping, pause: sleep.sleepFor })
        .catch((error) => {
          log.error({ clientId, [`${kind.name}Id`]: id, err: error }, `${kind.name}.broke_off`)
          paused.set(id, { clientId, until: performance.now() + RETRY_MS })
        })
        .finally(() => {
          running.delete(id)
          onEnded(clientId)
        })
      running.set(id, { clientId, ended })
    },
    listBusyClients: () => new Set([...running.values()].map(({ clientId }) => clientId)),
    /** When a run of the client that has failed is to be begun again. */
    resumesAt(clientId: string): number {
      const ofClient = [...paused.values()].filter((run) => run.clientId === clientId)
      return Math.min(NOT_BY_ITSELF, ...ofClient.map((run) => now().getTime() + restOf(run)))
    },
    stopAll: sleep.stopSleeping,
    untilEnded: () => Promise.all([...running.values()].map(({ ended }) => ended)),
  }
}

/** Pauses that end at once when the process does. */
function createSleep() {
  const stopping = Promise.withResolvers<'stopping'>()
  // Not a race with the promise above, which would keep every pause of a long run in memory.
  const sleepers = new Set<() => void>()
  let isStopped = false
  return {
    stopping: stopping.promise,
    isStopped: () => isStopped,
    sleepFor: (ms: number) =>
      new Promise<void>((resolve) => {
        const wakeUp = () => {
          clearTimeout(timer)
          sleepers.delete(wakeUp)
          resolve()
        }
        const timer = setTimeout(wakeUp, isStopped ? 0 : ms)
        sleepers.add(wakeUp)
      }),
    stopSleeping() {
      isStopped = true
      stopping.resolve('stopping')
      for (const wakeUp of [...sleepers]) wakeUp()
    },
  }
}
