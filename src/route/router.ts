import type { Db } from '../database/db.ts'
import type { Watch } from '../watch.ts'
import { createLeaseLoop } from '../workers/lease-loop.ts'
import { AT_ONCE, type LeaseLoop, type LeaseLoopDeps, type NextLook, NOT_BY_ITSELF } from '../workers/leased-room.ts'
import { type RouteBatch, type RouteBatchDeps, routeBatch } from './route-batch.ts'
import { readNextLook } from './waiting-events.ts'

export interface RouterDeps extends LeaseLoopDeps, RouteBatchDeps {
  db: Db
  watch?: Watch
  /** Called after the commit for each client that has new source events. */
  onRouted: (clientId: string) => void
  /** Called after the commit when something is to be fetched from Stripe for the operator's client. */
  onFetchRequested: (clientId: string) => void
}

const UNIT = 'route'

/** Finds the clients of events of routed sources that were not known at their receipt, for each operator's client in one process at a time. */
export const createRouter = (deps: RouterDeps): LeaseLoop =>
  createLeaseLoop(deps, {
    name: 'route',
    listUnits: (clientIds) => clientIds.map((clientId) => ({ clientId, unit: UNIT })),
    async workOn(unitsOfClients) {
      const looks = new Map<string, NextLook>()
      for (const [clientId, units] of unitsOfClients)
        if (units.has(UNIT)) looks.set(clientId, { at: await workOnClient(deps, clientId) })
      return looks
    },
    async readNextDue(clientIds) {
      const due = new Map<string, number>()
      for (const clientId of clientIds) due.set(clientId, (await readNextLook(deps.db, clientId)) ?? NOT_BY_ITSELF)
      return due
    },
    readDueClients: () => listOperatorClients(deps.db),
  })

async function workOnClient(deps: RouterDeps, clientId: string): Promise<number> {
  const batch = await routeBatch(deps, clientId)
  reportBatch(deps, clientId, batch)
  return batch.isMore ? AT_ONCE : ((await readNextLook(deps.db, clientId)) ?? NOT_BY_ITSELF)
}

function reportBatch(deps: RouterDeps, clientId: string, { routed, hasLookups }: RouteBatch): void {
  const settled = routed.filter(({ state }) => state === 'routed' || state === 'shared')
  for (const target of new Set(settled.map((event) => event.clientId))) deps.onRouted(target)
  if (hasLookups) deps.onFetchRequested(clientId)
  if (routed.length > 0) deps.watch?.onEventsRouted?.(routed)
}

/** The clients whose sources route: the operator's. */
async function listOperatorClients(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    'select distinct client_id as id from sources where routing is not null',
  )
  return rows.map(({ id }) => id)
}
