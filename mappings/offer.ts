import type { Contract } from '../src/contracts/contract.ts'
import type { Mapping } from '../src/language/mapping.ts'

/** A contract with what it hears: everything that there is to say of it. */
export interface Offer {
  contract: Contract
  /** Events of one source event leave in this order. */
  mappings: readonly Mapping[]
}

/** An offer of mappings, each typed by its own body. */
export const offering = (contract: Contract, mappings: readonly object[]): Offer => ({
  contract,
  mappings: mappings as readonly Mapping[],
})
