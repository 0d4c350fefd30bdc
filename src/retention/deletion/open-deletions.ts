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

/** The client's deletions that are to be worked on now. */
export async function readDueDeletions(db: Queryable, clientId: string): Promise<OpenDeletion[]> {
  const { rows } = await db.query<OpenDeletion>(
    `select ${COLUMNS} from deletions where client_id = $1 and finished_at is null and next_pass_at <= now() order by id`,
    [clientId],
  )
  return rows
}

/** When the next of the client's deletions is due; null: none is open. */
export async function readNextPass(db: Queryable, clientId: string): Promise<Date | null> {
  const { rows } = await db.query<{ next: Date | null }>(
    'select min(next_pass_at) as next from deletions where client_id = $1 and finished_at is null',
    [clientId],
  )
  return firstRow(rows).next
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
  await tx.query(
    `update deletions
        set gone = gone || jsonb_build_object($2::text, coalesce((gone ->> $2)::bigint, 0) + $3::bigint),
            position = case when $4::text is null then position - $2 else position || jsonb_build_object($2::text, $4::jsonb) end
      where id = $1`,
    [id, step, deleted, reached && JSON.stringify(reached)],
  )
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
  const { rows } = await db.query<{ isFinished: boolean }>(
    `update deletions
        set position = '{}',
            finished_at = case when d.is_last then now() end,
            next_pass_at = case when d.is_last then null else requested_at + make_interval(secs => $3) end,
            looks_for = case when d.is_last then null else looks_for end
       from (select requested_at + make_interval(secs => $3) <= $2 as is_last from deletions where id = $1) d
      where id = $1 and finished_at is null
      returning finished_at is not null as "isFinished"`,
    [id, begunAt, graceSeconds],
  )
  return { isFinished: rows[0]?.isFinished ?? true }
}
