import type { ContractMappings } from '../../mappings/offer.ts'
import { collectLookups } from './collect-lookups.ts'
import { createStrideRunner, type StrideRunner } from './pauses.ts'
import type { SourceEvent } from './source-event.ts'
import { loadWorlds, type WorldLookups } from './world/load.ts'
import type { LoadDeps } from './world/load-keys.ts'
import { noLookups } from './world/lookups.ts'
import type { World } from './world/world.ts'

/** The source events of one client in a batch, and the world that they are read in. */
export interface ClientBatch {
  world: World
  sourceEvents: readonly SourceEvent[]
}

interface LookUpDeps extends LoadDeps {
  mappings: ContractMappings
}

/**
 * Loads all that the events read of their clients, with one statement per kind of fact and round. What was found may point further: the
 * events that have asked for it, and no others, are looked at again.
 */
export async function lookUpAll(deps: LookUpDeps, parts: readonly ClientBatch[]): Promise<void> {
  const runStrides = createStrideRunner()
  for (let open = parts; open.length > 0; ) {
    const asked: AskedBatch[] = []
    for (const part of open) asked.push(await askForAll(deps, part, runStrides))
    const found = await loadWorlds(deps, asked)
    open = asked.flatMap(({ world, keysOf }) => {
      const ofWorld = found.get(world)
      const again = [...keysOf].filter(([, keys]) => keys.some((key) => ofWorld?.has(key)))
      return again.length === 0 ? [] : [{ world, sourceEvents: again.map(([sourceEvent]) => sourceEvent) }]
    })
  }
}

/** What events look up in a round, and by which keys each may be pointed further. */
interface AskedBatch extends WorldLookups {
  keysOf: ReadonlyMap<SourceEvent, readonly string[]>
}

async function askForAll(
  { mappings }: LookUpDeps,
  { world, sourceEvents }: ClientBatch,
  runStrides: StrideRunner,
): Promise<AskedBatch> {
  const lookups = noLookups()
  const keysOf = new Map<SourceEvent, readonly string[]>()
  for (const event of sourceEvents)
    if (event.body) keysOf.set(event, await runStrides(collectLookups({ world, mappings }, event, lookups)))
  return { world, lookups, keysOf }
}
