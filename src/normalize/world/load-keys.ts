import type { Queryable } from '../../database/db.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import { splitKey, type World } from './world.ts'

/** `keyRing` opens the key of what was forgotten; left out, nobody was. */
export interface LoadDeps {
  db: Queryable
  keyRing?: Pick<KeyRing, 'decrypt'> | undefined
}

/** A key that a world lacks. */
export interface WorldKey {
  world: World
  key: string
}

/** Loads keys into their worlds; `worlds` has them by their client. */
export type LoadKeys = (db: Queryable, keys: readonly WorldKey[], worlds: ReadonlyMap<string, World>) => Promise<void>

/** Those that are not loaded, which count as loaded from here on. */
export function takeUnloaded(wanted: Iterable<string>, loaded: Set<string>): string[] {
  // What PostgreSQL has no place for is not there either.
  const unloaded = [...wanted].filter((id) => !loaded.has(id) && !id.includes('\0') && id.isWellFormed())
  for (const id of unloaded) loaded.add(id)
  return unloaded
}

/** The clients of keys, one for each, as a column of a statement. */
export const clientsOf = (keys: readonly WorldKey[]): string[] => keys.map(({ world }) => world.clientId)

/** The sources and the ids of keys that `keyOf` made, as two columns of a statement. */
export function splitKeys(keys: readonly WorldKey[]): [sourceIds: string[], ids: string[]] {
  const parts = keys.map(({ key }) => splitKey(key))
  return [parts.map(({ sourceId }) => sourceId), parts.map(({ id }) => id)]
}
