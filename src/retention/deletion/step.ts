import type { Tx } from '../../database/db.ts'
import { purgePageOfRows, type RowPurge } from '../rows.ts'

/** A part of a deletion: it is called in a transaction of its own again and again, until `reached` is null. */
export interface DeletionStep {
  /** What is counted: a table. */
  name: string
  /** Deletes some rows after the key `reached`; answers how many, and where to go on. */
  deleteSome: (tx: Tx, reached: readonly string[] | null) => Promise<StepProgress>
}

export interface StepProgress {
  deleted: number
  reached: string[] | null
}

/** Everything of one client in a table that the condition holds for. */
export const deleteRowsStep = (
  clientId: string,
  { table, keys, within = 'true' }: Pick<RowPurge, 'table' | 'keys'> & { within?: string },
): DeletionStep => ({
  name: table,
  deleteSome: (tx, reached) =>
    purgePageOfRows(tx, clientId, { name: table, table, keys, within, old: 'true', before: new Date() }, reached),
})
