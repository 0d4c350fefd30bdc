import { OPERATOR_CLIENT } from '../domain/ids.ts'
import type { Queryable } from './db.ts'

/** Makes the operator's own client where there is none yet, and returns its id. It hears of all clients, as operators' clients do. */
export async function ensureOperatorClient(db: Queryable): Promise<string> {
  await db.query(`insert into clients (id, name, is_operator) values ($1, 'Operator', true) on conflict do nothing`, [
    OPERATOR_CLIENT,
  ])
  return OPERATOR_CLIENT
}
