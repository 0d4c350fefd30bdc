import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { productOffers } from '../mappings/index.ts'
import { combineOffers, type Offer, type Offers } from '../mappings/offer.ts'
import { ConfigError } from './errors.ts'

/**
 * The product's contracts and mappings, and those of modules (paths from the working folder), each of which exports an offer by
 * default. Throws a ConfigError that names the module and what is wrong with it.
 */
export async function loadOffers(paths: readonly string[]): Promise<Offers> {
  let offers = productOffers
  for (const path of paths)
    try {
      const offer = await importOffer(path)
      const isListedTwice = offers.some(({ contract }) => contract === offer.contract)
      if (!isListedTwice) offers = [...offers, offer]
      combineOffers(offers)
    } catch (cause) {
      throw new ConfigError(`FLO_CONTRACTS: ${path} cannot be taken in: ${(cause as Error).message}`, { cause })
    }
  return combineOffers(offers)
}

async function importOffer(path: string): Promise<Offer> {
  const module: { default?: Partial<Offer> } = await import(pathToFileURL(resolve(path)).href)
  const { contract, mappings } = module.default ?? {}
  if (!contract || !mappings) throw new Error('it exports no offer by default (CONTRIBUTING.md, Adding a contract)')
  return { contract, mappings }
}
