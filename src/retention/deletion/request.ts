import type { Queryable } from '../../database/db.ts'
import type { DeletionKind, LooksFor } from '../../database/deletions.ts'
import { type ForgottenName, forgetNames } from '../../database/forgotten.ts'
import { isUuid, newId, OPERATOR_CLIENT } from '../../domain/ids.ts'
import { splitRealm } from '../../domain/realm.ts'
import { Refusal } from '../../errors.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import {
  countRowsOfClient,
  countRowsOfPayload,
  countRowsOfSource,
  countRowsOfUser,
  type DeletionCounts,
} from './counts.ts'
import { expungePayload, findExpungedSubject } from './expunge.ts'

/** What is to be deleted, and by whom. A user is named by the client's own id, or by Flo's. */
export interface DeletionRequest {
  kind: DeletionKind
  clientId: string
  subject: string
  /** The API key. */
  requestedBy: string
}

/** What a deletion takes; `id` null: it was only counted. */
export interface DeletionAnswer {
  id: string | null
  subjectId: string
  counts: DeletionCounts
}

/**
 * Deletes a client, a source or a user, or expunges a payload, inside the caller's transaction: what it is found by goes at once, so
 * that from the commit on nothing of it is shown, taken in or sent; its rows go afterwards, in batches (`startEraser`), for which
 * the caller wakes. With `isDryRun` it only counts. Throws `not_found`.
 */
export async function requestDeletion(
  tx: Queryable,
  keyRing: KeyRing,
  request: DeletionRequest,
  { isDryRun }: { isDryRun: boolean },
): Promise<DeletionAnswer> {
  switch (request.kind) {
    case 'client':
      return deleteClient(tx, request, isDryRun)
    case 'source':
      return deleteSource(tx, request, isDryRun)
    case 'user':
      return deleteUser({ tx, keyRing }, request, isDryRun)
    case 'payload':
      return expunge(tx, request, isDryRun)
    default:
      return request.kind satisfies never
  }
}

/** The row of the trail, which the purge goes by. */
async function openDeletion(
  tx: Queryable,
  { clientId, kind, requestedBy }: DeletionRequest,
  { subjectId, counts, looksFor = null }: { subjectId: string; counts: DeletionCounts; looksFor?: LooksFor | null },
): Promise<DeletionAnswer> {
  const id = newId()
  await tx.query(
    `insert into deletions (client_id, id, kind, subject_id, requested_by, counts, looks_for)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [clientId, id, kind, subjectId, requestedBy, JSON.stringify(counts), looksFor && JSON.stringify(looksFor)],
  )
  return { id, subjectId, counts }
}

const assertFound = (row: unknown): void => {
  if (!row) throw new Refusal('not_found')
}

async function deleteClient(tx: Queryable, request: DeletionRequest, isDryRun: boolean): Promise<DeletionAnswer> {
  const { clientId } = request
  const { rows } = await tx.query(`select 1 from clients where id = $1 ${isDryRun ? '' : 'for update'}`, [clientId])
  assertFound(rows[0])
  const counts = await countRowsOfClient(tx, clientId)
  if (isDryRun) return { id: null, subjectId: clientId, counts }
  await cancelRuns(tx, clientId, null)
  await tx.query('delete from idempotency_keys where api_key_id in (select id from api_keys where client_id = $1)', [
    clientId,
  ])
  // With the client's row everything is out of reach: lists, sweeps and look-ups start from it. The purge finds its rows by its id.
  for (const table of ['api_keys', 'sources', 'endpoints'])
    await tx.query(`delete from ${table} where client_id = $1`, [clientId])
  const routeNames = await deleteRoutesTo(tx, clientId)
  await tx.query('delete from clients where id = $1', [clientId])
  const looksFor = routeNames.length > 0 ? { ...NOBODY, routeNames } : null
  return openDeletion(tx, request, { subjectId: clientId, counts, looksFor })
}

const NOBODY: LooksFor = { customers: [], customerKeys: [], clientUserId: null, email: null }

/** From here on nothing is routed to the client. Returns what named it. */
async function deleteRoutesTo(tx: Queryable, clientId: string): Promise<string[]> {
  const { rows: routes } = await tx.query<{ value: string }>(
    'delete from source_routes where client_id = $1 and target_id = $2 returning value',
    [OPERATOR_CLIENT, clientId],
  )
  const { rows: names } = await tx.query<{ value: string }>(
    'select external_id as value from clients where id = $1 and external_id is not null',
    [clientId],
  )
  return [...new Set([...routes, ...names].map(({ value }) => value))]
}

async function deleteSource(tx: Queryable, request: DeletionRequest, isDryRun: boolean): Promise<DeletionAnswer> {
  const { clientId, subject } = request
  const { rows } = await tx.query(
    `select 1 from sources where client_id = $1 and id = $2 ${isDryRun ? '' : 'for update'}`,
    [clientId, subject],
  )
  assertFound(rows[0])
  const counts = await countRowsOfSource(tx, clientId, subject)
  if (isDryRun) return { id: null, subjectId: subject, counts }
  await cancelRuns(tx, clientId, subject)
  await tx.query('delete from sources where client_id = $1 and id = $2', [clientId, subject])
  return openDeletion(tx, request, { subjectId: subject, counts })
}

/** Ends backfills, and replays where the whole client goes. */
async function cancelRuns(tx: Queryable, clientId: string, sourceId: string | null): Promise<void> {
  await tx.query(
    `update backfills set state = 'cancelled', next_attempt_at = null, finished_at = now()
      where client_id = $1 and ($2::uuid is null or source_id = $2) and state = 'running'`,
    [clientId, sourceId],
  )
  if (sourceId === null)
    await tx.query(
      `update replays set state = 'cancelled', finished_at = now() where client_id = $1 and state = 'running'`,
      [clientId],
    )
}

interface DeletedUser {
  id: string
  clientUserId: string | null
  email: string | null
}

async function deleteUser(
  { tx, keyRing }: { tx: Queryable; keyRing: KeyRing },
  request: DeletionRequest,
  isDryRun: boolean,
): Promise<DeletionAnswer> {
  const { clientId, subject } = request
  // A user that no registration has named is known by Flo's id alone.
  const { rows } = await tx.query<DeletedUser>(
    `select id, client_user_id as "clientUserId", email from users
      where client_id = $1 and (client_user_id = $2 or id = $3)
      order by client_user_id = $2 desc nulls last limit 1 ${isDryRun ? '' : 'for update'}`,
    [clientId, subject, isUuid(subject) ? subject : null],
  )
  const [user] = rows
  if (!user) throw new Refusal('not_found')
  const looksFor = await readLooksFor(tx, clientId, user)
  const counts = await countRowsOfUser(tx, clientId, user.id, looksFor)
  if (isDryRun) return { id: null, subjectId: user.id, counts }
  await forgetNames(tx, keyRing, clientId, namesOf(user, looksFor))
  const { clientUserId } = user
  await tx.query('delete from user_customers where client_id = $1 and user_id = $2', [clientId, user.id])
  await tx.query('delete from users where client_id = $1 and id = $2', [clientId, user.id])
  await tx.query('delete from checkouts where client_id = $1 and client_user_id = $2', [clientId, clientUserId])
  return openDeletion(tx, request, { subjectId: user.id, counts, looksFor })
}

async function readLooksFor(tx: Queryable, clientId: string, user: DeletedUser): Promise<LooksFor> {
  const { rows } = await tx.query<{ key: string }>(
    'select customer_id as key from user_customers where client_id = $1 and user_id = $2 order by customer_id',
    [clientId, user.id],
  )
  const customerKeys = rows.map(({ key }) => key)
  const customers = [...new Set(customerKeys.map((key) => splitRealm(key).id))]
  return { customers, customerKeys, clientUserId: user.clientUserId, email: user.email }
}

/**
 * By what the user could come again. A customer that was linked before accounts and modes were told apart stands for any of them,
 * and so does its bare id.
 */
const namesOf = ({ clientUserId }: DeletedUser, { customerKeys }: LooksFor): ForgottenName[] => [
  ...customerKeys.map((name) => ({ kind: 'customer' as const, name })),
  ...(clientUserId === null ? [] : [{ kind: 'clientUserId' as const, name: clientUserId }]),
]

async function expunge(tx: Queryable, request: DeletionRequest, isDryRun: boolean): Promise<DeletionAnswer> {
  const { clientId, subject } = request
  const found = await findExpungedSubject(tx, clientId, subject)
  if (found === null) throw new Refusal('not_found')
  if (isDryRun) return { id: null, subjectId: subject, counts: await countRowsOfPayload(tx, clientId, found) }
  // Of what was made from one payload no copy stays, whichever of them is named.
  const subjectId = found.sourceEventId ?? subject
  const counts = await expungePayload(tx, clientId, found)
  return openDeletion(tx, request, { subjectId, counts })
}
