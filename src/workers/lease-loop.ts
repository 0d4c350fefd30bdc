import { isDatabaseAway } from '../database/db.ts'
import { type Agenda, createAgenda } from './agenda.ts'
import { createGrowingPause, type GrowingPause } from './growing-pause.ts'
import {
  AT_ONCE,
  type HeldUnits,
  type LeasedRoom,
  type LeaseLoop,
  type LeaseLoopDeps,
  type NextLook,
  NOT_BY_ITSELF,
} from './leased-room.ts'
import { createTurnLine, type Turn, type TurnLine } from './turn-line.ts'
import { createTurnPlaces, type TurnPlaces } from './turn-places.ts'

/** The most clients of one turn. */
const CLIENTS_PER_TURN = 250
/** Turns at once, of all groups and of one; and how many beside them may take long. */
const TURNS_AT_ONCE = { all: 4, ofGroup: 2, slow: 4, slowAfterMs: 1_000 }
/** How long units are kept when nothing is due: a claim for each event would cost more than the event. */
const IDLE_MS = 3_000
/** Clients whose time is up within so much of each other give their units back together. */
const RELEASE_SPACING_MS = 250

interface LoopClient {
  /** It was woken since its last turn began. */
  isDirty: boolean
  /** It is in a turn that runs, or waits for a place. */
  isTaken: boolean
  /** Its last turn failed: it waits for its moment, whoever wakes it. */
  isPaused: boolean
  /** Its moment is that of the release. */
  isIdle: boolean
  /** It failed in a turn of its own, and stays by itself until one succeeds. */
  isApart: boolean
  units: HeldUnits
  pause: GrowingPause | null
}

interface Loop extends LeaseLoopDeps {
  room: LeasedRoom
  clients: Map<string, LoopClient>
  line: TurnLine
  places: TurnPlaces
  agenda: Agenda
  running: Set<Promise<void>>
  isStartScheduled: boolean
  isStopped: boolean
}

const NO_UNITS: HeldUnits = new Set()

/**
 * The loop of a room that works under leases. Clients that are woken stand in line; those of one group are taken together into a turn,
 * which claims their units with one statement and does one batch of work for all of them. A client that has more goes to the end of the
 * line, one that is idle for 3 s gives its units back. A turn of many that fails is tried again for each half of them, so that one
 * client's trouble ends as its own.
 */
export function createLeaseLoop(deps: LeaseLoopDeps, room: LeasedRoom): LeaseLoop {
  const clients = new Map<string, LoopClient>()
  const loop: Loop = {
    ...deps,
    room,
    clients,
    line: createTurnLine({ most: CLIENTS_PER_TURN, isApart: (clientId) => clients.get(clientId)?.isApart ?? false }),
    places: createTurnPlaces({ ...TURNS_AT_ONCE, onFree: () => scheduleTurns(loop) }),
    agenda: createAgenda(
      () => deps.now().getTime(),
      (clientIds) => startDueClients(loop, clientIds),
    ),
    running: new Set(),
    isStartScheduled: false,
    isStopped: false,
  }
  const sweep = async () => {
    if (!loop.isStopped) for (const clientId of await room.readDueClients()) wakeClient(loop, clientId)
  }
  deps.worker.onLost(() => {
    for (const client of clients.values()) client.units = NO_UNITS
  })
  deps.worker.onReady(() => {
    for (const [clientId, { isPaused }] of clients) if (isPaused) endPause(loop, clientId)
    return sweep()
  })
  return {
    wake: (clientId) => wakeClient(loop, clientId),
    sweep,
    waitingClientCount: () => loop.line.countWaiting(),
    stop: () => stopLoop(loop),
  }
}

function clientOf({ clients }: Loop, clientId: string): LoopClient {
  let client = clients.get(clientId)
  if (!client) {
    client = {
      ...{ isDirty: false, isTaken: false, isPaused: false, isIdle: false, isApart: false },
      ...{ units: NO_UNITS, pause: null },
    }
    clients.set(clientId, client)
  }
  return client
}

function wakeClient(loop: Loop, clientId: string): void {
  if (loop.isStopped) return
  const client = clientOf(loop, clientId)
  if (client.isDirty) return
  client.isDirty = true
  if (!client.isTaken && !client.isPaused) joinLine(loop, clientId)
}

function endPause(loop: Loop, clientId: string): void {
  const client = clientOf(loop, clientId)
  client.isPaused = false
  client.isDirty = true
  joinLine(loop, clientId)
}

function joinLine(loop: Loop, clientId: string): void {
  loop.agenda.cancelMoment(clientId)
  loop.line.addClient(loop.groups.groupOf(clientId), clientId)
  scheduleTurns(loop)
}

/** A little later, so that clients that one commit wakes are in one turn. */
function scheduleTurns(loop: Loop): void {
  if (loop.isStartScheduled || loop.isStopped) return
  loop.isStartScheduled = true
  setImmediate(() => {
    loop.isStartScheduled = false
    startTurns(loop)
  })
}

function startTurns(loop: Loop): void {
  const { places, line, running } = loop
  while (places.isFree() && !loop.isStopped) {
    const turn = line.takeTurn(places.isFreeFor)
    if (!turn) return
    const leavePlace = places.takePlace(turn.group)
    const run = runTurn(loop, turn).finally(() => {
      running.delete(run)
      leavePlace()
    })
    running.add(run)
  }
}

async function runTurn(loop: Loop, turn: Turn): Promise<void> {
  // Who was woken while the release waited has work, and keeps its units.
  const isLeftOut = (clientId: string) => turn.isRelease === true && clientOf(loop, clientId).isDirty
  settleClients(loop, turn.clientIds.filter(isLeftOut), () => ({ at: AT_ONCE }))
  const clientIds = turn.clientIds.filter((clientId) => !isLeftOut(clientId))
  for (const clientId of clientIds) Object.assign(clientOf(loop, clientId), { isDirty: false, isTaken: true })
  try {
    const looks = await (turn.isRelease ? releaseClients : workOnClients)(loop, clientIds)
    for (const clientId of clientIds) Object.assign(clientOf(loop, clientId), { isApart: false, pause: null })
    settleClients(loop, clientIds, (clientId) => looks.get(clientId) ?? { at: NOT_BY_ITSELF })
  } catch (error) {
    onTurnFailed(loop, { group: turn.group, clientIds }, error)
  }
}

async function workOnClients(loop: Loop, clientIds: readonly string[]): Promise<ReadonlyMap<string, NextLook>> {
  await claimMissingUnits(loop, clientIds)
  // Those of now: should the leases be lost meanwhile, row locks keep what runs apart from their next holder.
  return loop.room.workOn(new Map(clientIds.map((clientId) => [clientId, clientOf(loop, clientId).units])))
}

async function claimMissingUnits(loop: Loop, clientIds: readonly string[]): Promise<void> {
  const units = await loop.room.listUnits(clientIds)
  const missing = units.filter(({ clientId, unit }) => !clientOf(loop, clientId).units.has(unit))
  if (missing.length === 0) return
  const { held, elsewhere } = await loop.worker.claimUnits(missing)
  for (const [clientId, ofClient] of Map.groupBy(held, ({ clientId }) => clientId)) {
    const client = clientOf(loop, clientId)
    client.units = new Set([...client.units, ...ofClient.map(({ unit }) => unit)])
  }
  for (const clientId of new Set(elsewhere.map(({ clientId }) => clientId))) loop.onLeasedElsewhere(clientId)
}

/** Gives back the units of clients for which nothing came for a while, and answers what is due for them then. */
async function releaseClients(loop: Loop, clientIds: readonly string[]): Promise<ReadonlyMap<string, NextLook>> {
  await giveUnitsBack(loop, clientIds)
  // What was stored just before the release was seen by no process: look once more.
  const due = await loop.room.readNextDue(clientIds)
  return new Map(clientIds.map((clientId) => [clientId, { at: due.get(clientId) ?? NOT_BY_ITSELF }]))
}

async function giveUnitsBack(loop: Loop, clientIds: readonly string[]): Promise<void> {
  const units = clientIds.flatMap((clientId) => [...clientOf(loop, clientId).units].map((unit) => ({ clientId, unit })))
  for (const clientId of clientIds) clientOf(loop, clientId).units = NO_UNITS
  if (units.length > 0) await loop.worker.releaseUnits(units)
}

/** The turn of these clients has ended: what comes next for each. */
function settleClients(loop: Loop, clientIds: readonly string[], lookOf: (clientId: string) => NextLook): void {
  const now = loop.now().getTime()
  for (const clientId of clientIds) {
    const client = clientOf(loop, clientId)
    client.isTaken = false
    client.isIdle = false
    if (!loop.isStopped) planNextLook(loop, { clientId, client, now }, lookOf(clientId))
  }
}

function planNextLook(
  loop: Loop,
  { clientId, client, now }: { clientId: string; client: LoopClient; now: number },
  { at, isBusy = false }: NextLook,
): void {
  if (client.isDirty || at <= now) {
    client.isDirty = true
    joinLine(loop, clientId)
  } else if (client.units.size > 0 && !isBusy && at >= now + IDLE_MS) {
    client.isIdle = true
    loop.agenda.setMoment(clientId, now + IDLE_MS, RELEASE_SPACING_MS)
  } else if (at < NOT_BY_ITSELF) loop.agenda.setMoment(clientId, at)
  else if (!isBusy) loop.clients.delete(clientId)
}

/** Clients whose moment has come: those that are idle give their units back, all others have work. */
function startDueClients(loop: Loop, clientIds: readonly string[]): void {
  const idle = clientIds.filter((clientId) => clientOf(loop, clientId).isIdle)
  for (const [group, ofGroup] of Map.groupBy(idle, loop.groups.groupOf)) {
    for (const clientId of ofGroup) clientOf(loop, clientId).isTaken = true
    loop.line.addTurn({ group, clientIds: ofGroup, isRelease: true })
  }
  for (const clientId of clientIds)
    if (clientOf(loop, clientId).isPaused) endPause(loop, clientId)
    else if (!clientOf(loop, clientId).isIdle) wakeClient(loop, clientId)
  scheduleTurns(loop)
}

/** Half of a batch may do what all of it cannot, unless it is the database that is away. */
const mayHalfSucceed = (error: unknown) => !isDatabaseAway(error) || (error as { code?: string }).code === OUT_OF_MEMORY
const OUT_OF_MEMORY = '53200'

/** The clients of a turn that has failed are tried in two halves; one alone, or all where no half would fare better, after a pause. */
function onTurnFailed(loop: Loop, turn: Turn, error: unknown): void {
  if (turn.clientIds.length > 1 && mayHalfSucceed(error)) splitTurn(loop, turn, error)
  else pauseClients(loop, turn.clientIds, error)
}

function splitTurn(loop: Loop, { group, clientIds }: Turn, error: unknown): void {
  loop.log.warn({ clients: clientIds.length, err: error }, `${loop.room.name}.turn_split`)
  const half = clientIds.length >> 1
  loop.line.addTurn({ group, clientIds: clientIds.slice(0, half) })
  loop.line.addTurn({ group, clientIds: clientIds.slice(half) })
  scheduleTurns(loop)
}

function pauseClients(loop: Loop, clientIds: readonly string[], error: unknown): void {
  const [clientId] = clientIds
  const isAlone = clientIds.length === 1
  loop.log.error(
    { ...(isAlone ? { clientId } : { clients: clientIds.length }), err: error },
    `${loop.room.name}.failed`,
  )
  for (const id of clientIds) {
    const client = clientOf(loop, id)
    client.pause ??= createGrowingPause()
    Object.assign(client, { isTaken: false, isPaused: true, isIdle: false, isApart: isAlone })
    if (!loop.isStopped) loop.agenda.setMoment(id, loop.now().getTime() + client.pause.next())
  }
}

async function stopLoop(loop: Loop): Promise<void> {
  loop.isStopped = true
  loop.agenda.cancelAll()
  await Promise.all(loop.running)
  await loop.room.untilEnded?.()
  const byGroup = Map.groupBy(loop.clients.keys(), loop.groups.groupOf)
  await Promise.all([...byGroup.values()].map((clientIds) => giveUnitsBack(loop, clientIds)))
}
