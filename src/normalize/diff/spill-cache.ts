import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packSnapshot, unpackSnapshot } from '../world/snapshots.ts'
import type { KnownObject, World } from '../world/world.ts'

/** Keeps a world's objects within bounds: those unused for longest lie in a file without a name until they are wanted. */
export interface SpillCache {
  /** Brings back what is wanted, and counts it as used; keys as in `world.objects`. */
  restoreObjects(keys: Iterable<string>): void
  /** Puts away what is over the bound. */
  spillUnused(): void
  close(): void
}

export function createSpillCache(world: World, maxObjects: number): SpillCache {
  const places = new Map<string, { at: number; length: number }>()
  let file: number | undefined
  let end = 0

  const spillObject = (key: string, known: KnownObject) => {
    file ??= openNamelessFile()
    const bytes = Buffer.from(JSON.stringify({ ...known, snapshot: packSnapshot(known.snapshot) }))
    writeSync(file, bytes, 0, bytes.length, end)
    places.set(key, { at: end, length: bytes.length })
    end += bytes.length
  }
  const readSpilled = (key: string, { at, length }: { at: number; length: number }): KnownObject => {
    const bytes = Buffer.alloc(length)
    if (file === undefined) throw new Error('An object is to be read from the spill file before one was written.')
    readSync(file, bytes, 0, length, at)
    places.delete(key)
    const stored = JSON.parse(bytes.toString('utf8'))
    return { ...stored, snapshot: unpackSnapshot(stored.snapshot) }
  }
  return {
    restoreObjects(keys) {
      for (const key of keys) {
        const place = places.get(key)
        const known = place ? readSpilled(key, place) : world.objects.get(key)
        // A map lists its keys in the order they were set: the first ones are those unused for longest.
        world.objects.delete(key)
        if (known) world.objects.set(key, known)
      }
    },
    spillUnused() {
      for (const [key, known] of world.objects) {
        if (world.objects.size <= maxObjects) break
        spillObject(key, known)
        world.objects.delete(key)
      }
    },
    close() {
      if (file !== undefined) closeSync(file)
    },
  }
}

/** Only this process can read it, and it is gone when the process is. */
function openNamelessFile(): number {
  const path = join(tmpdir(), `flo-gateway-${randomBytes(8).toString('hex')}`)
  const file = openSync(path, 'w+', 0o600)
  unlinkSync(path)
  return file
}
