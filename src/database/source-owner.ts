import { OPERATOR_CLIENT } from '../domain/ids.ts'

/**
 * As SQL: a row of `sources` sends events of a client. It is the client's own, or one of the operator's, which routes. What a client may see
 * and change of sources is another question: its own alone.
 */
export const isSourceOf = (source: string, client: string): string =>
  `(${source}.client_id = ${client} or ${source}.client_id = '${OPERATOR_CLIENT}')`
