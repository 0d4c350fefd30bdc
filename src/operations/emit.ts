import { type OperationsBodies, type OperationsType, operations } from '../contracts/operations.ts'
import { type Db, inTransaction, type Tx } from '../database/db.ts'
import { GATEWAY_ITSELF, newId } from '../domain/ids.ts'

type Envelope = 'eventVersion' | 'eventType' | 'occurredAt' | 'client'

/** Something to report about a client. `key` is the same whoever notices it and however often, so that it is emitted once. */
export type OperationalEvent = {
  [Type in OperationsType]: {
    type: Type
    clientId: string
    key: string
    occurredAt: Date
    about: Omit<OperationsBodies[Type], Envelope>
  }
}[OperationsType]

/** What to report, read in the transaction that stores it; null: it is no news after all. */
export type Finding = (tx: Tx) => Promise<OperationalEvent | null>

export interface EmitDeps {
  db: Db
  /** Makes the deliveries of new events in the same transaction; answers the endpoints that have work now. */
  fanOut: (
    tx: Tx,
    events: readonly { clientId: string; id: string; contract: string; type: string; userId: string | null }[],
  ) => Promise<ReadonlyMap<string, readonly { endpointId: string }[]>>
  /** Called after the commit with the endpoints that have new deliveries. */
  onDeliveriesCreated: (clientId: string, endpointIds: string[]) => void
}

/**
 * Emits what `finding` finds as events of operations.v1, which are delivered like any other: to the client that it is about and to
 * the operator's clients, each as an event of its own. Clients without such an endpoint get none. Returns the type of the event,
 * null when there was none.
 */
export async function emitOperationalEvent(
  { db, fanOut, onDeliveriesCreated }: EmitDeps,
  finding: Finding,
): Promise<OperationsType | null> {
  const { type, created } = await inTransaction(db, async (tx) => {
    const happening = await finding(tx)
    const body = happening && (await renderBody(tx, happening))
    if (!happening || body === null) return { type: null, created: [] }
    const created: { clientId: string; endpointIds: string[] }[] = []
    for (const clientId of await findSubscribedClients(tx, happening.clientId)) {
      const id = await storeEvent(tx, clientId, happening, body)
      if (id === null) continue
      const event = { clientId, id, contract: operations.name, type: happening.type, userId: null }
      created.push({
        clientId,
        endpointIds: (await fanOut(tx, [event])).get(clientId)?.map(({ endpointId }) => endpointId) ?? [],
      })
    }
    return { type: created.length > 0 ? happening.type : null, created }
  })
  for (const { clientId, endpointIds } of created)
    if (endpointIds.length > 0) onDeliveriesCreated(clientId, endpointIds)
  return type
}

/** The wire body; null when the client is gone. */
async function renderBody(tx: Tx, { type, clientId, occurredAt, about }: OperationalEvent): Promise<string | null> {
  const { rows } = await tx.query('select id, name from clients where id = $1', [clientId])
  if (!rows[0]) return null
  const envelope = { eventVersion: 'v1', eventType: type, occurredAt: occurredAt.toISOString(), client: rows[0] }
  const schema = operations.schemas[type]
  if (!schema) throw new Error(`The contract ${operations.name} has no schema for ${type}.`)
  return JSON.stringify(schema.parse({ ...envelope, ...about }))
}

/** The clients with an endpoint of operations.v1: the one that it is about, and the operator's. */
async function findSubscribedClients(tx: Tx, clientId: string): Promise<string[]> {
  const { rows } = await tx.query(
    `select c.id from clients c
      where (c.id = $1 or c.is_operator)
        and exists (select from endpoints e where e.client_id = c.id and e.contract = $2 and e.deleted_at is null)
      order by c.id`,
    [clientId, operations.name],
  )
  return rows.map(({ id }) => id)
}

/** Stores the event for one of them; null when it was emitted before. */
async function storeEvent(tx: Tx, clientId: string, { type, key, occurredAt }: OperationalEvent, body: string) {
  const id = newId()
  const { rowCount } = await tx.query(
    `insert into emissions (client_id, contract, key, event_id) values ($1, $2, $3, $4) on conflict do nothing`,
    [clientId, operations.name, key, id],
  )
  if (rowCount === 0) return null
  await tx.query('insert into event_bodies (client_id, event_id, body) values ($1, $2, $3)', [clientId, id, body])
  await tx.query(
    `insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [clientId, id, GATEWAY_ITSELF, operations.name, type, key, occurredAt],
  )
  return id
}
