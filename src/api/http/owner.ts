import { OPERATOR_CLIENT } from '../../domain/ids.ts'
import { id } from './field-schemas.ts'

// The operator's own client has what belongs to no client: the sources that route their events, and what is about those.

/** Whose something is, in a reply. */
export const ownerId = id.nullable().meta({
  description: "null: the operator's own, as a source that routes its events to several clients.",
})

/** The same of a row of `t`. */
export const OWNER_COLUMN = `nullif(t.client_id, '${OPERATOR_CLIENT}') as "clientId"`

export const showOwner = (clientId: string): string | null => (clientId === OPERATOR_CLIENT ? null : clientId)
