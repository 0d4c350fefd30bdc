import type { Contract } from '../src/contracts/contract.ts'
import type { Mapping } from '../src/language/mapping.ts'
import flo from './flo/index.ts'
import florentin from './florentin/index.ts'
import type { Offer } from './offer.ts'
import operations from './operations.ts'

const contractsByName: Record<string, Contract> = {}
const mappingsByContract: Record<string, readonly Mapping[]> = {}

/** Every contract that an endpoint can choose, by name. */
export const contracts: Readonly<Record<string, Contract>> = contractsByName
/** The mappings of each contract that hears of source events. */
export const mappings: Readonly<Record<string, readonly Mapping[]>> = mappingsByContract

/** Takes a contract in; before the first event is read. Throws for one that is not whole, or there already. */
export function offer({ contract, mappings: list }: Offer): void {
  const { name, eventTypes, schemas } = contract
  if (Object.hasOwn(contractsByName, name)) throw new Error(`the contract ${name} is offered already`)
  for (const type of eventTypes) if (!schemas[type]) throw new Error(`the contract ${name} has no schema for ${type}`)
  for (const { rules, name: mapping } of list)
    for (const type of rules.flatMap((rule) => ('emit' in rule ? [rule.emit].flat() : [])))
      if (!eventTypes.includes(type)) throw new Error(`${mapping} emits ${type}, which ${name} does not have`)
  contractsByName[name] = contract
  if (list.length > 0) mappingsByContract[name] = list
}

for (const one of [flo, florentin, operations]) offer(one)
