import type { Db } from '../../src/database/db.ts'
import { ensureOperatorClient } from '../../src/database/operator-client.ts'
import { noteNewNames } from '../../src/database/routing-news.ts'
import { newId, OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import type { Routing } from '../../src/domain/routing.ts'
import { keys, SECRET } from './receiving.ts'

/** A source of the operator's that routes, straight in the database. */
export async function newRoutedSource(
  db: Db,
  { routing = { by: ['metadata'] }, apiKey }: { routing?: Routing; apiKey?: string } = {},
): Promise<string> {
  const sourceId = newId()
  await ensureOperatorClient(db)
  await db.query(
    `insert into sources (id, client_id, kind, signing_secrets, routing, api_key) values ($1, $2, 'stripe', $3, $4, $5)`,
    [sourceId, OPERATOR_CLIENT, [keys.encrypt(SECRET)], routing, apiKey ? keys.encrypt(apiKey) : null],
  )
  return sourceId
}

/** A client, with the operator's own id of it if there is one. */
export async function newTarget(db: Db, externalId: string | null = null): Promise<string> {
  const id = newId()
  await db.query(`insert into clients (id, name, external_id) values ($1, 'Target', $2)`, [id, externalId])
  return id
}

/** Lets a value name a client, as PUT /v1/sources/{id}/routes/{value} does; wake the routing room afterwards. */
export async function putRoute(db: Db, sourceId: string, value: string, targetId: string): Promise<void> {
  await db.query(
    `insert into source_routes (client_id, source_id, value, target_id) values ($1, $2, $3, $4)
     on conflict (client_id, source_id, value) do update set target_id = excluded.target_id`,
    [OPERATOR_CLIENT, sourceId, value, targetId],
  )
  await noteNewNames(db, [value], { clientId: OPERATOR_CLIENT, sourceId })
}

/** Where the events of a source are: of whom, in what state, and by what they were routed. */
export async function readWhereabouts(db: Db, sourceId: string) {
  const { rows } = await db.query<{
    eventId: string
    clientId: string
    state: string
    code: string | null
    message: string | null
    routing: string
    routedBy: { by: string; name: string; of: string } | null
    hasBody: boolean
  }>(
    `select e.event_id as "eventId", e.client_id as "clientId", e.state, e.reason_code as code, e.reason_message as message,
            r.state as routing, r.routed_by as "routedBy", b.body is not null as "hasBody"
       from source_events e
       left join routings r on r.client_id = $2 and r.source_event_id = e.id
       left join source_event_bodies b on b.client_id = e.client_id and b.source_event_id = e.id
      where e.source_id = $1 order by e.event_id`,
    [sourceId, OPERATOR_CLIENT],
  )
  return rows
}

let count = 0
/** A snapshot event of the operator's own account, in test mode, about one object. */
export function routedEvent(type: string, object: object, more: object = {}) {
  count += 1
  return {
    ...{ id: `evt_routed_${count}`, object: 'event', api_version: '2026-10-28.endive', created: 1_780_000_000 + count },
    ...{ livemode: false, type, data: { object } },
    ...more,
  }
}
