import type { Tx } from '../../database/db.ts'
import { LEAST_ID, newId, OPERATOR_CLIENT } from '../../domain/ids.ts'
import { tablesOfClient } from './client-steps.ts'
import { deleteEvents, findEventsMadeOf } from './delete-events.ts'
import { type DeletionStep, deleteRowsStep, type StepProgress } from './step.ts'

/** Source events in one transaction: each may have led to events for many endpoints. */
const BATCH = 50

const TABLES_OF_SOURCE = [
  ...['objects', 'holds', 'invoice_dues', 'hydrations', 'hydration_circuits', 'backfills'],
  ...['source_routes', 'routings', 'routing_waits', 'routing_news', 'routed_objects'],
]

/** What it takes for a source to go, with all that was made of what it sent. */
export const sourceSteps = (clientId: string, sourceId: string): DeletionStep[] => [
  { name: 'routed_clients', deleteSome: (tx, reached) => deleteForRoutedClients(tx, { clientId, sourceId }, reached) },
  { name: 'source_events', deleteSome: (tx) => deleteSourceEvents(tx, clientId, sourceId) },
  ...TABLES_OF_SOURCE.map((table) =>
    deleteRowsStep(clientId, { table, keys: tablesOfClient[table] ?? [], within: `source_id = '${sourceId}'::uuid` }),
  ),
  deleteRowsStep(clientId, {
    table: 'alarms',
    keys: tablesOfClient.alarms ?? [],
    within: `starts_with(subject, '${sourceId}')`,
  }),
]

/** The first source events of the source, locked: the normaliser ends what it has begun with them before. */
async function deleteSourceEvents(tx: Tx, clientId: string, sourceId: string): Promise<StepProgress> {
  const { rows } = await tx.query<{ id: string }>(
    `select id from source_events where client_id = $1 and source_id = $2 order by id limit ${BATCH} for update`,
    [clientId, sourceId],
  )
  const ids = rows.map(({ id }) => id)
  const last = ids.at(-1)
  if (last === undefined) return { deleted: 0, reached: null }
  let deleted = await deleteEvents(tx, clientId, await findEventsMadeOf(tx, clientId, ids))
  for (const sql of [
    'delete from lone_attempts where client_id = $1 and source_event_id = any($2::uuid[])',
    'delete from source_event_bodies where client_id = $1 and source_event_id = any($2::uuid[])',
    'delete from source_events where client_id = $1 and id = any($2::uuid[])',
  ])
    deleted += (await tx.query(sql, [clientId, ids])).rowCount ?? 0
  return { deleted, reached: [last] }
}

const PAGE = 2000

/**
 * What a source has routed to clients is deleted of each of them, by a deletion of its own, which is written down before the source's
 * routings go. Deletes nothing itself.
 */
async function deleteForRoutedClients(
  tx: Tx,
  { clientId, sourceId }: { clientId: string; sourceId: string },
  reached: readonly string[] | null,
): Promise<StepProgress> {
  if (clientId !== OPERATOR_CLIENT) return { deleted: 0, reached: null }
  const after = reached ?? ['', LEAST_ID, '', 'false']
  const { rows } = await tx.query<{ key: string[]; targetId: string | null }>(
    `select array[event_id, source_id::text, account, livemode::text] as key, target_id as "targetId" from routings
      where client_id = $1 and source_id = $2
        and (event_id, source_id, account, livemode) > ($3::text, $4::uuid, $5::text, $6::boolean)
      order by event_id, source_id, account, livemode limit ${PAGE}`,
    [clientId, sourceId, ...after],
  )
  const targets = [...new Set(rows.flatMap(({ targetId }) => targetId ?? []))]
  for (const targetId of targets) await openDeletionFor(tx, { clientId, sourceId, targetId })
  return { deleted: 0, reached: rows.length === PAGE ? (rows.at(-1)?.key ?? null) : null }
}

async function openDeletionFor(
  tx: Tx,
  { clientId, sourceId, targetId }: { clientId: string; sourceId: string; targetId: string },
): Promise<void> {
  // Locked, so that two passes open one.
  const { rows } = await tx.query<{ requestedBy: string }>(
    `select requested_by as "requestedBy" from deletions
      where client_id = $1 and subject_id = $2 and kind = 'source' order by id for update`,
    [clientId, sourceId],
  )
  const { rows: open } = await tx.query(
    `select 1 from deletions where client_id = $1 and subject_id = $2 and kind = 'source'`,
    [targetId, sourceId],
  )
  const [request] = rows
  if (request && open.length === 0)
    await tx.query(
      `insert into deletions (client_id, id, kind, subject_id, requested_by, counts) values ($1, $2, 'source', $3, $4, '{}')`,
      [targetId, newId(), sourceId, request.requestedBy],
    )
}
