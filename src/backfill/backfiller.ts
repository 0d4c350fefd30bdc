import type { Worker } from '../worker.ts'
import { type Deps as RunDeps, run } from './run.ts'
import { type Backfill, dueBackfills, nextBackfill } from './state.ts'

export interface Deps extends RunDeps {
  worker: Worker
  /** Another process runs a backfill of this client: it should know that there is work. */
  elsewhere: (clientId: string) => void
}

export interface Backfiller {
  /** There may be a backfill of this client to run. Returns at once. */
  wake(clientId: string): void
  /** Wakes every client that has a running backfill. */
  sweep(): Promise<void>
  /** Stops the running ones where they are; they go on in another process, or at the next start. */
  stop(): Promise<void>
}

const RETRY_MS = 1000
const unitOf = (id: string) => `backfill:${id}`

/** Runs backfills, each in one process at a time. */
export function backfiller(deps: Deps): Backfiller {
  const looking = new Map<string, Promise<void>>()
  const again = new Set<string>()
  const timers = new Map<string, NodeJS.Timeout>()
  const running = new Map<string, Promise<void>>()
  const stopping = Promise.withResolvers<'stopping'>()
  let stopped = false
  let leases = 0

  const wake = (clientId: string) => {
    if (stopped) return
    if (looking.has(clientId)) return void again.add(clientId)
    const look = lookFor(clientId)
      .catch((error) => {
        deps.log.error({ clientId, err: error }, 'backfill.look_failed')
        wakeAt(clientId, Date.now() + RETRY_MS)
      })
      .finally(() => {
        looking.delete(clientId)
        if (again.delete(clientId)) wake(clientId)
      })
    looking.set(clientId, look)
  }

  const lookFor = async (clientId: string) => {
    const idle = async () => (await dueBackfills(deps.db, clientId)).filter(({ id }) => !running.has(id))
    const units = (await idle()).map(({ id }) => unitOf(id))
    const { held, elsewhere } = await deps.worker.claim(clientId, units)
    if (elsewhere.length > 0) deps.elsewhere(clientId)
    // Looked at again under the lease: it may have gone on, or ended, between the look and the claim.
    const mine = held.length > 0 ? (await idle()).filter(({ id }) => held.includes(unitOf(id))) : []
    for (const backfill of mine) begin(backfill)
    const begun = new Set([...running.keys()].map(unitOf))
    await deps.worker.release(
      clientId,
      held.filter((unit) => !begun.has(unit)),
    )
    const next = await nextBackfill(deps.db, clientId)
    if (next && next.getTime() > Date.now()) wakeAt(clientId, next.getTime())
  }

  const begin = (backfill: Backfill) => {
    const { clientId, id } = backfill
    // A lost lease may be another's by now: what is read twice is known the second time.
    const mine = leases
    const ended = run(deps, backfill, { stopped: () => stopped || mine !== leases, stopping: stopping.promise })
      .catch(async (error) => {
        deps.log.error({ clientId, backfillId: id, err: error }, 'backfill.broke_off')
        wakeAt(clientId, Date.now() + RETRY_MS)
      })
      .then(() => deps.worker.release(clientId, [unitOf(id)]))
      .catch((error) => deps.log.error({ clientId, backfillId: id, err: error }, 'backfill.not_released'))
      .finally(() => {
        running.delete(id)
        wake(clientId)
      })
    running.set(id, ended)
  }

  const wakeAt = (clientId: string, at: number) => {
    clearTimeout(timers.get(clientId))
    timers.delete(clientId)
    if (!stopped)
      timers.set(
        clientId,
        setTimeout(() => wake(clientId), Math.max(0, at - Date.now()) + 5),
      )
  }

  const sweep = async () => {
    const { rows } = await deps.db.query(
      `select c.id from clients c where exists (select 1 from backfills b where b.client_id = c.id and b.state = 'running')`,
    )
    for (const { id } of rows) wake(id)
  }

  deps.worker.onLost(() => {
    leases += 1
  })
  deps.worker.onReady(() => {
    sweep().catch((error) => deps.log.error({ err: error }, 'backfill.sweep_failed'))
  })

  return {
    wake,
    sweep,
    async stop() {
      stopped = true
      stopping.resolve('stopping')
      for (const timer of timers.values()) clearTimeout(timer)
      await Promise.all([...looking.values(), ...running.values()])
    },
  }
}
