import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { contracts, offer } from '../mappings/index.ts'
import type { Offer } from '../mappings/offer.ts'
import { ConfigError } from './errors.ts'

/**
 * Takes in the contracts of modules (paths from the working folder), each of which exports an offer by default; once in a
 * process, before the first event. Throws a ConfigError that names the module and what is wrong with it.
 */
export async function offerModules(paths: readonly string[]): Promise<void> {
  for (const path of paths)
    try {
      const module: { default?: Partial<Offer> } = await import(pathToFileURL(resolve(path)).href)
      const { contract, mappings } = module.default ?? {}
      if (!contract || !mappings) throw new Error('it exports no offer by default (CONTRIBUTING.md, Adding a contract)')
      if (contracts[contract.name] !== contract) offer({ contract, mappings })
    } catch (cause) {
      throw new ConfigError(`FLO_CONTRACTS: ${path} cannot be taken in: ${(cause as Error).message}`, { cause })
    }
}
