import type { Contract } from '../src/contracts/contract.ts'
import type { Mapping } from '../src/language/mapping.ts'

/** A contract with the mappings that make its events: everything that there is to say of it. */
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

/** Every contract that an endpoint can choose, by name. */
export type Contracts = Readonly<Record<string, Contract>>
/** The mappings of each contract that hears of source events, by the contract's name. */
export type ContractMappings = Readonly<Record<string, readonly Mapping[]>>

/** All that is offered by one gateway. */
export interface Offers {
  contracts: Contracts
  mappings: ContractMappings
}

/** Takes offers together. Throws for one whose parts do not fit, and for a name that is offered twice. */
export function combineOffers(offers: readonly Offer[]): Offers {
  const names = offers.map(({ contract }) => contract.name)
  for (const [at, { contract, mappings }] of offers.entries()) {
    const { name, eventTypes, schemas } = contract
    if (names.indexOf(name) !== at) throw new Error(`the contract ${name} is offered already`)
    for (const type of eventTypes) if (!schemas[type]) throw new Error(`the contract ${name} has no schema for ${type}`)
    for (const { rules, name: mapping } of mappings)
      for (const type of rules.flatMap((rule) => ('emit' in rule ? [rule.emit].flat() : [])))
        if (!eventTypes.includes(type)) throw new Error(`${mapping} emits ${type}, which ${name} does not have`)
  }
  return {
    contracts: Object.fromEntries(offers.map(({ contract }) => [contract.name, contract])),
    mappings: Object.fromEntries(
      offers.filter(({ mappings }) => mappings.length > 0).map(({ contract, mappings }) => [contract.name, mappings]),
    ),
  }
}
