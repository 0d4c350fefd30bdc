import type { Queryable } from '../../database/db.ts'
import type { DeletionKind, LooksFor } from '../../database/deletions.ts'
import { firstRow } from '../../database/rows.ts'

/** A deletion whose rows are still to go. */
export interface OpenDeletion {
  clientId: string
  id: string
  kind: DeletionKind
  subjectId: string
  looksFor: LooksFor | null
  /** How far the tables that are read through are done. */
  position: Readonly<Record<string, string[]>>
}

const COLUMNS = `client_id as "clientId", id, kind, subject_id as "subjectId", looks_for as "looksFor", position`

/** The clients' deletions that are to be worked on now. */
export async function readDueDeletions(db: Queryable, clientIds: readonly string[]): Promise<OpenDeletion[]> {
  const { rows } = await db.query<OpenDeletion>(
    `select ${COLUMNS} from deletions
      where client_id = any($1::uuid[]) and finished_at is null and next_pass_at <= now() order by id`,
    [clientIds],
  )
  return rows
}

/** When the next deletion of each of these clients is due, in milliseconds; of the others none is open. */
export async function readNextPasses(
  db: Queryable,
  clientIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ clientId: string; next: Date }>(
    `select client_id as "clientId", min(next_pass_at) as next from deletions
      where client_id = any($1::uuid[]) and finished_at is null group by client_id`,
    [clientIds],
  )
  return new Map(rows.map(({ clientId, next }) => [clientId, next.getTime()]))
}

/** The clients with open deletions, those among them that are gone themselves. */
export async function listClientsWithDeletions(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    'select distinct client_id as id from deletions where finished_at is null',
  )
  return rows.map(({ id }) => id)
}

/** Notes what a batch has deleted and how far it came, in the batch's own transaction. */
export async function saveProgress(
  tx: Queryable,
  { id }: Pick<OpenDeletion, 'id'>,
  { step, deleted, reached }: { step: string; deleted: number; reached: readonly string[] | null },
): Promise<void> {
  // Reckoned here: on Citus no function that is not immutable may read a column in what is set.
  const { rows } = await tx.query<{ gone: Record<string, number>; position: Record<string, readonly string[]> }>(
    'select gone, position from deletions where id = $1 for update',
    [id],
  )
  const { gone, position } = firstRow(rows)
  const { [step]: _, ...others } = position
  await tx.query('update deletions set gone = $2, position = $3 where id = $1', [
    id,
    JSON.stringify({ ...gone, [step]: (gone[step] ?? 0) + deleted }),
    JSON.stringify(reached ? { ...others, [step]: reached } : others),
  ])
}

/**
 * Notes the end of a pass that began at `begunAt`: the deletion is finished when nothing that was under way at the reply can
 * have written since, else it is looked through once more.
 */
export async function endPass(
  db: Queryable,
  { id }: Pick<OpenDeletion, 'id'>,
  begunAt: Date,
  graceSeconds: number,
): Promise<{ isFinished: boolean }> {
  const { rows } = await db.query<{ requestedAt: Date }>(
    'select requested_at as "requestedAt" from deletions where id = $1 and finished_at is null',
    [id],
  )
  if (!rows[0]) return { isFinished: true }
  const settledAt = new Date(rows[0].requestedAt.getTime() + graceSeconds * 1000)
  const isFinished = settledAt <= begunAt
  await db.query(
    isFinished
      ? `update deletions set position = '{}', finished_at = now(), next_pass_at = null, looks_for = null where id = $1`
      : `update deletions set position = '{}', next_pass_at = $2 where id = $1`,
    isFinished ? [id] : [id, settledAt],
  )
  return { isFinished }
}
