// JSON.parse makes `__proto__` a key like any other. zod leaves it out, and an assignment would set the prototype instead.
const KEY = '__proto__'

interface LostKey {
  path: string[]
  value: unknown
  /** What the schema has made of the object that had the key. */
  from: object | null
}

/** The keys `__proto__` of plain data that what a schema has made of it does not have any more. */
export function findLostKeys(given: unknown, made: unknown): LostKey[] {
  const lost: LostKey[] = []
  if (!hasKeyWithin(given)) return lost
  // Without recursion: a body may be nested deeper than the call stack.
  const open: { given: unknown; made: unknown; path: string[] }[] = [{ given, made, path: [] }]
  for (let next = open.pop(); next; next = open.pop()) {
    if (!isObject(next.given) || next.given === next.made) continue
    const other = isObject(next.made) ? next.made : null
    for (const [key, value] of Object.entries(next.given)) {
      const path = [...next.path, key]
      if (key === KEY && !(other && Object.hasOwn(other, KEY))) lost.push({ path, value, from: other })
      else open.push({ given: value, made: other && Object.hasOwn(other, key) ? other[key] : undefined, path })
    }
  }
  return lost
}

/** Whether the key is anywhere in plain data: almost never, and to see that is quicker than to compare. */
function hasKeyWithin(given: unknown): boolean {
  const open: unknown[] = [given]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (!isObject(next)) continue
    if (Object.hasOwn(next, KEY)) return true
    for (const key in next) if (isObject(next[key])) open.push(next[key])
  }
  return false
}

/** Puts the keys back that a schema has lost, where the object that had them is still there. */
export function keepPrototypeKeys<T>(given: unknown, made: T): T {
  for (const { value, from } of findLostKeys(given, made))
    if (from) Object.defineProperty(from, KEY, { value, enumerable: true, writable: true, configurable: true })
  return made
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
