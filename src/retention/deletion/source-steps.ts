import type { Tx } from '../../database/db.ts'
import { tablesOfClient } from './client-steps.ts'
import { deleteEvents, findEventsMadeOf } from './delete-events.ts'
import { type DeletionStep, deleteRowsStep, type StepProgress } from './step.ts'

/** Source events in one transaction: each may have led to events for many endpoints. */
const BATCH = 50

const TABLES_OF_SOURCE = ['objects', 'holds', 'invoice_dues', 'hydrations', 'hydration_circuits', 'backfills']

/** What it takes for a source to go, with all that was made of what it sent. */
export const sourceSteps = (clientId: string, sourceId: string): DeletionStep[] => [
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
