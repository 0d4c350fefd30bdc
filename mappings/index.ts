import flo from './flo/index.ts'
import florentin from './florentin/index.ts'
import { combineOffers, type Offer } from './offer.ts'
import operations from './operations.ts'

/** What belongs to the product; FLO_CONTRACTS may add to it. */
export const productOffers: readonly Offer[] = [flo, florentin, operations]

/** The product's own contracts and mappings. */
export const { contracts, mappings } = combineOffers(productOffers)
