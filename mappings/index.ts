import type { Mapping } from '../src/normalize/words.ts'
import invoice from './flo/invoice.ts'
import renewal from './flo/renewal.ts'
import subscription from './flo/subscription.ts'

/** Every mapping of a contract. Events of one source event leave in this order. */
export const mappings: Readonly<Record<string, readonly Mapping[]>> = {
  'flo.v1': [subscription, invoice, renewal] as unknown as readonly Mapping[],
}
