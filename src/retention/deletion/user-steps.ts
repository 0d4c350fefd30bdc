import type { Tx } from '../../database/db.ts'
import { type LooksFor, tellsOf } from '../../database/deletions.ts'
import { idUnder, splitRealm } from '../../domain/realm.ts'
import { type DoomedEvent, deleteEvents, findEventsMadeOf } from './delete-events.ts'
import { type DeletionStep, deleteRowsStep, type StepProgress } from './step.ts'

/** Events in one transaction: each may have many deliveries. */
const BATCH = 100
/** Payloads read in one transaction. */
const PAGE = 200

/**
 * What it takes for a user to go: its events, every payload that tells of it, what was remembered of its Stripe objects. Source
 * events stay, as identities and states without content: a repetition of Stripe's finds them there and is none the wiser.
 */
export const userSteps = (clientId: string, userId: string, looksFor: LooksFor): DeletionStep[] => [
  { name: 'events', deleteSome: (tx) => deleteEventsOfUser(tx, clientId, userId) },
  {
    name: 'source_event_bodies',
    deleteSome: (tx, reached) => deleteBodies(tx, { clientId, userId, looksFor }, reached),
  },
  { name: 'objects', deleteSome: (tx, reached) => deleteObjects(tx, { clientId, looksFor }, reached) },
  { name: 'hydrations', deleteSome: (tx, reached) => deleteFetched(tx, { clientId, looksFor }, reached) },
  deleteRowsStep(clientId, {
    table: 'user_customers',
    keys: [['customer_id', 'text']],
    within: `user_id = '${userId}'::uuid`,
  }),
  // What was under way at the reply may have stored it once more.
  deleteRowsStep(clientId, { table: 'users', keys: [['id', 'uuid']], within: `id = '${userId}'::uuid` }),
]

async function deleteEventsOfUser(tx: Tx, clientId: string, userId: string): Promise<StepProgress> {
  const { rows } = await tx.query<DoomedEvent & { sourceEventId: string }>(
    `select id, contract, key, source_event_id as "sourceEventId" from events
      where client_id = $1 and user_id = $2 order by id limit ${BATCH}`,
    [clientId, userId],
  )
  const last = rows.at(-1)
  if (!last) return { deleted: 0, reached: null }
  const sourceEventIds = [...new Set(rows.map(({ sourceEventId }) => sourceEventId))]
  const deleted = (await deleteEvents(tx, clientId, rows)) + (await eraseSourceEvents(tx, clientId, sourceEventIds))
  return { deleted, reached: [last.id] }
}

interface OfUser {
  clientId: string
  userId: string
  looksFor: LooksFor
}

async function deleteBodies(
  tx: Tx,
  { clientId, userId, looksFor }: OfUser,
  reached: readonly string[] | null,
): Promise<StepProgress> {
  const { rows } = await tx.query<{ id: string; body: Buffer }>(
    `select source_event_id as id, body from source_event_bodies
      where client_id = $1 and ($2::uuid is null or source_event_id > $2) order by source_event_id limit ${PAGE}`,
    [clientId, reached?.[0] ?? null],
  )
  const ids = rows.filter(({ body }) => tellsOf(body, looksFor)).map(({ id }) => id)
  const events = ids.length > 0 ? await findEventsMadeOf(tx, clientId, ids) : []
  // What is told of another user, and only mentions this one, is that other one's.
  const own = events.filter((event) => event.userId === null || event.userId === userId)
  const deleted = (await deleteEvents(tx, clientId, own)) + (await eraseSourceEvents(tx, clientId, ids))
  return { deleted, reached: nextKey(rows, ({ id }) => [id]) }
}

/** Takes their content from source events. What led to nothing that is left, or waits, is `ignored` from here on. */
async function eraseSourceEvents(tx: Tx, clientId: string, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0
  await tx.query(
    `update source_events e
        set state = case when exists (select from events m where m.client_id = $1 and m.source_event_id = e.id)
                         then 'normalized' else 'ignored' end,
            reason_code = 'user_deleted', reason_message = 'Its user was deleted on request.',
            held_until = null, held_for = null, due_at = null
      where e.client_id = $1 and e.id = any($2::uuid[])`,
    [clientId, ids],
  )
  const { rowCount } = await tx.query(
    'delete from source_event_bodies where client_id = $1 and source_event_id = any($2::uuid[])',
    [clientId, ids],
  )
  return rowCount ?? 0
}

interface ScannedRow {
  sourceId: string
  key: string
  content: string
}

const scanSql = (table: string, key: string, content: string) =>
  `select source_id as "sourceId", ${key} as key, ${content} as content from ${table}
    where client_id = $1 and ($2::uuid is null or (source_id, ${key}) > ($2, $3)) order by source_id, ${key} limit ${PAGE}`

const OBJECTS_SQL = scanSql(
  'objects',
  'object_id',
  `json_build_object('id', object_id, 'customer', customer_id, 'snapshot', snapshot)::text`,
)
const FETCHED_SQL = scanSql('hydrations', 'need', `json_build_object('need', need, 'result', result)::text`)

/** What is remembered of objects that tell of the user, and what hangs on them. */
async function deleteObjects(
  tx: Tx,
  { clientId, looksFor }: Pick<OfUser, 'clientId' | 'looksFor'>,
  reached: readonly string[] | null,
): Promise<StepProgress> {
  const { rows } = await tx.query<ScannedRow>(OBJECTS_SQL, [clientId, reached?.[0] ?? null, reached?.[1] ?? null])
  const wanted = { ...looksFor, customers: [...looksFor.customers, ...looksFor.customerKeys] }
  const doomed = rows.filter(({ content }) => tellsOf(Buffer.from(content), wanted))
  return { deleted: await deleteRemembered(tx, clientId, doomed), reached: nextScanKey(rows) }
}

/** Deletes objects, with the links and tallies of their ids, their timers, and what was fetched or is waited for by them. */
async function deleteRemembered(tx: Tx, clientId: string, objects: readonly ScannedRow[]): Promise<number> {
  if (objects.length === 0) return 0
  const hanging = objects.flatMap(({ sourceId, key }) => {
    const { id } = splitRealm(key)
    const name = key.slice(0, key.length - id.length).replace(/\/$/, '')
    return [key, idUnder(name, `link:${id}`), idUnder(name, `tally:${id}`)].map((one) => ({ sourceId, key: one }))
  })
  const ids = objects.map(({ key }) => splitRealm(key).id)
  const values = [clientId, hanging.map(({ sourceId }) => sourceId), hanging.map(({ key }) => key)]
  const statements: [sql: string, values: unknown[]][] = [
    [
      `delete from invoice_dues where client_id = $1
          and (source_id, invoice_id) in (select * from unnest($2::uuid[], $3::text[]))`,
      values,
    ],
    // `client_user_id:cus_1`, `line_items:cs_1`: what comes before, the realm, has no colon.
    [`delete from holds where client_id = $1 and split_part(fact, ':', 2) = any($2::text[])`, [clientId, ids]],
    [`delete from hydrations where client_id = $1 and split_part(need, ':', 2) = any($2::text[])`, [clientId, ids]],
    [
      `delete from objects where client_id = $1
          and (source_id, object_id) in (select * from unnest($2::uuid[], $3::text[]))`,
      values,
    ],
  ]
  let deleted = 0
  for (const [sql, given] of statements) deleted += (await tx.query(sql, given)).rowCount ?? 0
  return deleted
}

/** What was fetched from Stripe and tells of the user. */
async function deleteFetched(
  tx: Tx,
  { clientId, looksFor }: Pick<OfUser, 'clientId' | 'looksFor'>,
  reached: readonly string[] | null,
): Promise<StepProgress> {
  const { rows } = await tx.query<ScannedRow>(FETCHED_SQL, [clientId, reached?.[0] ?? null, reached?.[1] ?? null])
  const doomed = rows.filter(
    ({ key, content }) =>
      tellsOf(Buffer.from(content), looksFor) || looksFor.customers.some((customer) => key.endsWith(`:${customer}`)),
  )
  const next = nextScanKey(rows)
  if (doomed.length === 0) return { deleted: 0, reached: next }
  const { rowCount } = await tx.query(
    `delete from hydrations where client_id = $1 and (source_id, need) in (select * from unnest($2::uuid[], $3::text[]))`,
    [clientId, doomed.map(({ sourceId }) => sourceId), doomed.map(({ key }) => key)],
  )
  return { deleted: rowCount ?? 0, reached: next }
}

const nextScanKey = (rows: readonly ScannedRow[]) => nextKey(rows, ({ sourceId, key }) => [sourceId, key])

/** Where to go on: null after a page that was not full. */
function nextKey<Row>(rows: readonly Row[], keyOf: (row: Row) => string[]): string[] | null {
  const last = rows.at(-1)
  return last !== undefined && rows.length === PAGE ? keyOf(last) : null
}
