import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { OPERATOR_CLIENT } from '../../domain/ids.ts'
import type { RoutedBy } from '../../domain/routing.ts'

/** By what a source event was routed to its client, in a reply. */
export const RoutedByReply = z
  .strictObject({
    by: z.enum(['account', 'metadata', 'object']).meta({
      description:
        '`account`: its connected account; `metadata`: what the metadata of an object hold; `object`: an object of which an event before it had told the client.',
    }),
    value: z.string().meta({ description: 'What names the client.', example: 'tenant_42' }),
    of: z.string().meta({ description: 'Where that stands.', example: 'subscription sub_1TKx2u' }),
  })
  .nullable()
  .meta({
    description:
      'Of a source that routes its events: by what the event was given to its client; null: it was not routed.',
  })

/** What names the receipt of a source event, of whatever client it is by now. */
interface ReceiptRow {
  id: string
  sourceId: string
  eventId: string
  account: string | null
  livemode: boolean
}

/** By what source events of routed sources were routed, by their ids: one statement for all of them. */
export async function readRoutedBy(db: Queryable, rows: readonly ReceiptRow[]) {
  const found = new Map<string, { by: RoutedBy['by']; value: string; of: string }>()
  if (rows.length === 0) return found
  const { rows: routings } = await db.query<{ id: string; routedBy: RoutedBy }>(
    `select e.id, r.routed_by as "routedBy"
       from unnest($2::text[], $3::text[], $4::uuid[], $5::text[], $6::boolean[]) e(id, event_id, source_id, account, livemode)
       join routings r on r.event_id = e.event_id and r.source_id = e.source_id and r.account = e.account and r.livemode = e.livemode
      where r.client_id = $1 and r.routed_by is not null`,
    [
      OPERATOR_CLIENT,
      rows.map(({ id }) => id),
      rows.map(({ eventId }) => eventId),
      rows.map(({ sourceId }) => sourceId),
      rows.map(({ account }) => account ?? ''),
      rows.map(({ livemode }) => livemode),
    ],
  )
  for (const { id, routedBy } of routings) {
    const { by, name, of } = routedBy
    found.set(id, { by, value: name, of })
  }
  return found
}
