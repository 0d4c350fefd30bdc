import { recorder } from './attempt/record.ts'
import type { Client, Shared } from './context.ts'
import { healthKeeper } from './endpoint/save-health.ts'
import { readDue } from './queue/due-deliveries.ts'
import { endpointOf, endpointUnit } from './queue/lease-units.ts'
import { dueEndpoints } from './queue/next-due.ts'
import { isHungry, newPump, type Pump, queueOf } from './queue/pump.ts'
import { absorb, needsRows, nextRead, rewind } from './queue/queue.ts'
import { retryClock } from './queue/retry-clock.ts'
import { rounds } from './queue/rounds.ts'
import { isHeld } from './queue/start-gate.ts'
import { giveBack, tidy } from './release-idle.ts'
import { closePump } from './run-delivery.ts'
import { readiness } from './start-check.ts'

/** What wants rows within this time shares a statement. */
const ROUND_MS = 5
const TIDY_MS = 200
/** Where nothing can start for now. */
const HELD_TIDY_MS = 2_000
const FAULT_PAUSE_MS = 1_000
const RETELL_MS = 1_000
/** Deliveries due later than this are found by the sweep in time. */
const HORIZON_SECONDS = 90

export function clientWork(shared: Shared, id: string): Client {
  const { db, log, worker, turns } = shared
  const pumps = new Map<string, Pump>()
  // To be claimed: named by a wake, or found due.
  const named = new Set<string>()
  const found = new Set<string>()
  // Read and not recorded, of all pumps, lost ones too: none of these is started a second time.
  const inHand = new Set<string>()
  let discover = false
  let reading = false
  let doneWhileReading: string[] = []
  let tidyTimer: NodeJS.Timeout | undefined
  let tidyDue = false
  let toldAt = Number.NEGATIVE_INFINITY

  const { ask, running } = rounds({
    async round() {
      if (discover) await discoverDue()
      if (named.size + found.size > 0) await claim()
      await readRows()
      if (!tidyDue) return
      tidyDue = false
      await tidy(shared, client)
    },
    spacingMs: ROUND_MS,
    pauseMs: FAULT_PAUSE_MS,
    failed: (error) => log.error({ err: error, clientId: id }, 'delivery.round_failed'),
    ended() {
      if (shared.stopping()) return
      if (pumps.size === 0) return shared.idle(id)
      const areHeld = [...pumps.values()].every(({ timer }) => timer !== undefined)
      tidyTimer ??= setTimeout(
        () => {
          tidyTimer = undefined
          tidyDue = true
          ask()
        },
        areHeld ? HELD_TIDY_MS : TIDY_MS,
      )
    },
    tasks: shared.tasks,
    stopping: shared.stopping,
  })

  async function discoverDue() {
    discover = false
    const endpoints = await dueEndpoints(db, id, HORIZON_SECONDS, shared.floor).catch((error) => {
      // Asked for again by the next round: nobody else may.
      discover = true
      throw error
    })
    for (const { endpointId, seconds } of endpoints)
      if (seconds > 0) client.clock.set(endpointId, seconds)
      else wakeOne(endpointId, found)
  }

  async function claim() {
    const news = new Set(named)
    const asked = [...new Set([...named, ...found])]
    const { held, elsewhere } = await worker.claim(id, asked.map(endpointUnit))
    for (const endpointId of asked) {
      if (news.has(endpointId)) named.delete(endpointId)
      found.delete(endpointId)
    }
    for (const endpointId of held.map(endpointOf)) {
      if (pumps.has(endpointId)) continue
      pumps.set(endpointId, newPump(id, endpointId))
      shared.pumps.count += 1
    }
    // What was merely found due may well be in work there: two processes that tell each other so would never end.
    const isNews = elsewhere.some((unit) => news.has(endpointOf(unit)))
    if (elsewhere.length === 0 || (!isNews && performance.now() < toldAt + RETELL_MS)) return
    toldAt = performance.now()
    shared.elsewhere(id)
  }

  async function readRows() {
    const room = shared.room()
    const hungry = [...pumps.values()]
      .filter((pump) => isHungry(pump, room))
      .flatMap((pump) =>
        [pump.first, pump.again]
          .filter((queue) => needsRows(queue, room))
          .map((queue) => ({ pump, queue, rewinds: queue.rewinds })),
      )
    if (hungry.length === 0) return
    reading = true
    try {
      const reads = await readDue(
        db,
        id,
        hungry.map(({ pump: { endpointId, endpoint }, queue }) =>
          nextRead({ endpointId, isNew: endpoint === null }, queue, room),
        ),
        shared.floor,
      )
      // Loaded here, hundreds at once, they are at hand when the attempts start.
      await shared.bodies(id, new Set(reads.flatMap(({ rows }) => rows.map(({ eventId }) => eventId))))
      for (const [at, { pump, queue, rewinds }] of hungry.entries()) {
        const read = reads[at]!
        if (pump.halted || queue.rewinds !== rewinds) continue
        absorb(queue, read, inHand)
        pump.ahead = read.ahead ?? pump.ahead
        if (read.closed) closePump(shared, client, pump)
        else if (read.rows.length > 0) turns.offer(pump)
      }
    } catch (error) {
      for (const { queue } of hungry) rewind(queue)
      throw error
    } finally {
      reading = false
      // What was recorded while we read may have been read as it was before, and was known as in hand until now.
      for (const deliveryId of doneWhileReading) inHand.delete(deliveryId)
      doneWhileReading = []
    }
  }

  function wakeOne(endpointId: string, absent: Set<string>) {
    const pump = pumps.get(endpointId)
    if (!pump) return void absent.add(endpointId)
    pump.first.stale = true
    pump.again.stale = true
    pump.clocked = false
    if (!isHeld(pump, shared.now)) return
    // Perhaps no more: what holds it up may have been changed.
    clearTimeout(pump.timer)
    pump.timer = undefined
    pump.woken = true
    turns.offer(pump)
  }

  function doubted(endpointId: string) {
    const pump = pumps.get(endpointId)
    if (!pump) return
    pump.doubtedAt = performance.now()
    letGo(pump)
  }

  function letGo(pump: Pump) {
    for (const queue of [pump.first, pump.again]) {
      for (const due of queue.waiting) client.forget(pump, due)
      queue.waiting = []
      rewind(queue)
    }
  }

  const client: Client = {
    id,
    pumps,
    clock: retryClock({ ring: (endpointIds) => client.wake(endpointIds) }),
    ready: readiness(shared, id),
    record: recorder(shared, id),
    keep: healthKeeper(shared, id),
    wake(endpointIds, doubt) {
      for (const endpointId of (doubt && endpointIds) || []) doubted(endpointId)
      if (endpointIds) for (const endpointId of endpointIds) wakeOne(endpointId, named)
      else discover = true
      ask()
    },
    look: ask,
    forget(pump, due) {
      queueOf(pump, due).inHand -= 1
      pump.lastBusy = performance.now()
      if (reading) doneWhileReading.push(due.id)
      else inHand.delete(due.id)
    },
    reread(pump) {
      letGo(pump)
      ask()
    },
    halt(pump, why) {
      if (pump.halted === 'lost') return
      pump.halted = why
      letGo(pump)
      if (why === 'lost') client.drop(pump)
      if (why === 'fault')
        setTimeout(() => {
          if (pump.halted === 'fault') pump.halted = null
          ask()
        }, FAULT_PAUSE_MS).unref()
    },
    drop(pump) {
      if (pumps.get(pump.endpointId) !== pump) return
      clearTimeout(pump.timer)
      pumps.delete(pump.endpointId)
      shared.pumps.count -= 1
    },
    isIdle: () =>
      !running() && pumps.size + named.size + found.size + inHand.size === 0 && client.clock.next() === null,
    async stop() {
      clearTimeout(tidyTimer)
      client.clock.stop()
      for (const pump of pumps.values()) clearTimeout(pump.timer)
      await giveBack(shared, client, [...pumps.values()])
    },
  }
  return client
}
