import type { ContractMappings } from '../../mappings/offer.ts'
import type { Mapping } from '../language/mapping.ts'
import { memoizeByKey } from '../language/memoized.ts'

/** A mapping, and the contract whose events it makes. */
export interface ContractMapping {
  contract: string
  mapping: Mapping
}

const indexByEventType = memoizeByKey((mappings: ContractMappings) => {
  const index = new Map<string, ContractMapping[]>()
  for (const [contract, list] of Object.entries(mappings))
    for (const mapping of list)
      for (const type of mapping.on.types) index.set(type, [...(index.get(type) ?? []), { contract, mapping }])
  return index
})

/** The mappings that read an event type, of all contracts. */
export const mappingsReading = (mappings: ContractMappings, type: string): readonly ContractMapping[] =>
  indexByEventType(mappings).get(type) ?? []
