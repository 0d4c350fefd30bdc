import type { Contract } from '../contracts/contract.ts'
import type { Queryable } from '../database/db.ts'
import { checkEventTypes } from '../domain/event-filter.ts'
import { GREATEST_ID, idFloor, LEAST_ID, newId } from '../domain/ids.ts'
import { Refusal } from '../errors.ts'
import type { ReplayMode, ReplaySelection } from './select-events.ts'

/** Which events are to be replayed to which endpoint. Times are when the events were made; `until` is excluded. */
export interface ReplayRequest {
  endpointId: string
  mode: ReplayMode
  since?: Date | undefined
  until?: Date | undefined
  eventTypes?: string[] | undefined
}

export interface ReplayPlanDeps {
  contracts: Readonly<Record<string, Contract>>
  now: () => Date
}

/** A replay that could be started: which events it selects, and the id after which it begins. */
export interface ReplayPlan {
  selection: ReplaySelection
  after: string
  since: Date | null
  until: Date | null
}

/**
 * Starts to deliver an endpoint's events once more; wake the replaying room afterwards. Returns the replay's id. Throws
 * `invalid`, `not_found`, `endpoint_disabled`, and `replay_running` while another replay of the endpoint runs.
 */
export async function startReplay(
  deps: ReplayPlanDeps,
  tx: Queryable,
  clientId: string,
  request: ReplayRequest,
): Promise<string> {
  const { selection, after, since, until } = await planReplay(deps, tx, clientId, request)
  const { endpointId, mode, eventTypes, upto } = selection
  const { rows } = await tx.query(
    `select p.status, r.id as running from endpoints p
       left join replays r on r.client_id = p.client_id and r.endpoint_id = p.id and r.state = 'running'
      where p.client_id = $1 and p.id = $2`,
    [clientId, endpointId],
  )
  if (rows[0].status === 'disabled') throw new Refusal('endpoint_disabled')
  if (rows[0].running) throw alreadyRunning(rows[0].running)
  const id = newId()
  const { rowCount } = await tx.query(
    `insert into replays (client_id, id, endpoint_id, mode, since, until, event_types, reached, upto)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     on conflict (client_id, endpoint_id) where state = 'running' do nothing`,
    [clientId, id, endpointId, mode, since, until, eventTypes, after, upto],
  )
  if (rowCount === 0) {
    const first = await tx.query<{ id: string }>(
      `select id from replays where client_id = $1 and endpoint_id = $2 and state = 'running'`,
      [clientId, endpointId],
    )
    throw alreadyRunning(first.rows[0]?.id ?? 'another one, which was asked for at the same time')
  }
  return id
}

/** Checks a request and plans its replay. Throws `invalid`, and `not_found` for an endpoint that does not exist or was deleted. */
export async function planReplay(
  { contracts, now }: ReplayPlanDeps,
  db: Queryable,
  clientId: string,
  { endpointId, mode, since, until, eventTypes }: ReplayRequest,
): Promise<ReplayPlan> {
  const { rows } = await db.query(
    'select contract from endpoints where client_id = $1 and id = $2 and deleted_at is null',
    [clientId, endpointId],
  )
  if (!rows[0]) throw new Refusal('not_found')
  const contract = contracts[rows[0].contract]
  if (contract) checkEventTypes(contract, eventTypes)
  const at = now()
  if (since && since >= at) throw invalidField('since', 'must be in the past')
  const end = until && until < at ? until : null
  if (since && end && since >= end) throw invalidField('since', 'must be before `until`')
  // Events that arrive while it runs are delivered anyway: only a replay of all events needs an end, so as not to send them twice.
  const upto = end ? idFloor(end) : mode === 'all' ? idFloor(new Date(at.getTime() + 1)) : GREATEST_ID
  return {
    selection: { clientId, endpointId, mode, eventTypes: eventTypes ?? null, upto, asOf: null },
    after: since ? idFloor(since) : LEAST_ID,
    since: since ?? null,
    until: end,
  }
}

const invalidField = (path: string, message: string) =>
  new Refusal('invalid', { details: [{ path, code: 'invalid', message }] })

const alreadyRunning = (id: string) =>
  new Refusal('replay_running', {
    details: [{ path: 'endpointId', code: 'conflict', message: `is replayed by ${id}` }],
  })
