import { type Db, inTransaction } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { LANES, laneOf } from '../../src/receive/lane.ts'

export const lanes = Array.from({ length: LANES }, (_, lane) => lane)

/** A new client with a source of its own, and raw events stored as the receiver does. */
export async function newSource(db: Db) {
  const [clientId, sourceId] = [newId(), newId()]
  await db.query('insert into clients (id, name) values ($1, $2)', [clientId, 'Acme'])
  await db.query(
    `insert into sources (id, client_id, kind, signing_secrets) values ($1, $2, 'stripe', '{whsec_unused}')`,
    [sourceId, clientId],
  )
  return {
    clientId,
    sourceId,
    /** Answers the ids of the source events. */
    async store(...events: Json[]): Promise<string[]> {
      const ids: string[] = []
      for (const event of events) {
        const id = newId()
        const created =
          typeof event.created === 'number' ? new Date(event.created * 1000) : new Date(event.created ?? Date.now())
        // As the receiver does, in one transaction: a normaliser at work must not see the event without its bytes.
        await inTransaction(db, async (tx) => {
          await tx.query(
            `insert into source_events
               (client_id, id, source_id, event_id, type, api_version, lane, created_at, account, livemode)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
            [
              clientId,
              id,
              sourceId,
              event.id,
              event.type,
              event.api_version ?? null,
              laneOf(sourceId, event, event.id),
              created,
              event.account ?? '',
              event.livemode !== false,
            ],
          )
          await tx.query('insert into source_event_bodies (client_id, source_event_id, body) values ($1, $2, $3)', [
            clientId,
            id,
            Buffer.from(JSON.stringify(event)),
          ])
        })
        ids.push(id)
      }
      return ids
    },
    /** Source events in the order of receipt. */
    async states() {
      const { rows } = await db.query(
        'select id, event_id, type, state, reason_code, held_for from source_events where client_id = $1 order by id',
        [clientId],
      )
      return rows
    },
    /** Our events of one contract in the order they were made, with their parsed bodies. */
    async events(contract = 'flo.v1') {
      const { rows } = await db.query(
        `select e.id, e.source_event_id, e.type, e.key, e.occurred_at, b.body from events e
           join event_bodies b on b.client_id = $1 and b.event_id = e.id
          where e.client_id = $1 and e.contract = $2 order by e.id`,
        [clientId, contract],
      )
      return rows.map((row) => ({ ...row, body: JSON.parse(row.body) }))
    },
  }
}
