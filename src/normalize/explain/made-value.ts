import type { Json } from '../../domain/json.ts'

// Which part of its inputs a computation has put at a place of what it made. It is found out by asking the computation itself:
// what is copied changes when its original does.

/** The keys from a value down to one of its members. */
export type MemberKeys = readonly (string | number)[]

/** A member of one of the inputs. */
export interface InputMember {
  input: number
  keys: MemberKeys
}

/** How a member of a made value came about: taken over from a place, computed of places, or the computation's own. */
export type MemberOrigin =
  | { kind: 'copied'; from: InputMember }
  | { kind: 'computed'; of: InputMember[] }
  | { kind: 'constant' }

/** A computation with what it was given and what it made of it. */
export interface MadeValue {
  compute: (...values: Json[]) => unknown
  inputs: readonly Json[]
  result: Json
}

/** Members of an input that are looked at: an object of Stripe's has some hundreds. */
const MAX_MEMBERS = 4_000
/** Members that are changed to see what becomes of it: each costs the whole computation. */
const MAX_PROBES = 200

/** The likeliest first, as many as are worth a try. */
const byLikeness = <One extends InputMember>(members: readonly One[], keys: MemberKeys): readonly One[] =>
  members.toSorted((a, b) => sharedKeys(b.keys, keys) - sharedKeys(a.keys, keys)).slice(0, MAX_PROBES)

const sharedKeys = (a: MemberKeys, b: MemberKeys) => a.filter((key) => b.includes(key)).length

/** Where a member of a made value comes from; null where nothing is there and nothing says why. */
export function originOfMember(made: MadeValue, keys: MemberKeys): MemberOrigin | null {
  const indexes = made.inputs.map(indexOfMembers)
  const taken = findTaken(made, keys, indexes)
  if (taken) return { kind: 'copied', from: taken }
  const value = memberAt(made.result, keys)
  if (value === null) return null
  const leaves = indexes.flatMap((index, input) => index.leaves.map((one) => ({ ...one, input })))
  // What is copied has mostly kept its place in the list, and its name.
  const likeliest = byLikeness(
    leaves.filter((one) => one.value === value),
    keys,
  )
  const copied = likeliest.find((one) => changedMember(made, one, keys) === otherThan(one.value))
  if (copied) return { kind: 'copied', from: copied }
  const original = JSON.stringify(value)
  const probed = leaves.length > MAX_PROBES ? byLikeness(leaves, keys) : leaves
  const of = probed.filter(
    (one) => isOfFew(made.inputs[one.input]) || JSON.stringify(changedMember(made, one, keys)) !== original,
  )
  return of.length > 0 ? { kind: 'computed', of } : { kind: 'constant' }
}

/** A value by itself, or terms that belong together, such as a pack's size and its rounding: all of it counts. */
export const isOfFew = (input: Json): boolean =>
  isLeaf(input) || (!Array.isArray(input) && Object.values(input).length <= MAX_FEW)
const MAX_FEW = 3

/** The member that was taken over as it is, or stands in an object that was. */
function findTaken({ result }: MadeValue, keys: MemberKeys, indexes: readonly MemberIndex[]): InputMember | null {
  for (let depth = keys.length; depth >= 0; depth -= 1) {
    const whole = memberAt(result, keys.slice(0, depth))
    if (isLeaf(whole)) continue
    const input = indexes.findIndex(({ keysOf }) => keysOf.has(whole))
    if (input >= 0) return { input, keys: [...(indexes[input]?.keysOf.get(whole) ?? []), ...keys.slice(depth)] }
  }
  return null
}

/** What the computation puts at the place when one of its inputs is another; what it refuses is as it was. */
function changedMember({ compute, inputs, result }: MadeValue, { input, keys }: InputMember, place: MemberKeys): Json {
  const changed = inputs.map((value, at) => (at === input ? withOther(value, keys) : value))
  try {
    return memberAt(compute(...changed), place)
  } catch {
    return memberAt(result, place)
  }
}

function withOther(value: Json, [key, ...below]: MemberKeys): Json {
  if (key === undefined) return otherThan(value)
  const inner = withOther(value[key], below)
  return Array.isArray(value) ? value.map((one, at) => (at === key ? inner : one)) : { ...value, [key]: inner }
}

/** Another value of the same kind. */
function otherThan(value: Json): Json {
  if (typeof value === 'number') return value + 1_000_003
  return typeof value === 'boolean' ? !value : `${value}?`
}

/** What stands at the keys; absent is null. */
export const memberAt = (value: unknown, keys: MemberKeys): Json =>
  keys.reduce<Json>((one, key) => (typeof one === 'object' && one !== null ? one[key] : null), value) ?? null

const isLeaf = (value: Json): boolean => typeof value !== 'object' || value === null

/** What stands below a value, and the value itself. */
interface MemberIndex {
  /** Where an object or list stands, the outermost place. */
  keysOf: ReadonlyMap<object, MemberKeys>
  leaves: readonly { keys: MemberKeys; value: Json }[]
}

/** Of each object or list, which is read once for all the places that are asked for. */
const indexes = new WeakMap<object, MemberIndex>()

function indexOfMembers(value: Json): MemberIndex {
  if (isLeaf(value)) return { keysOf: new Map(), leaves: value === null ? [] : [{ keys: [], value }] }
  const index = indexes.get(value) ?? createIndex(value)
  indexes.set(value, index)
  return index
}

function createIndex(value: object): MemberIndex {
  const keysOf = new Map<object, MemberKeys>()
  const found: { keys: MemberKeys; value: Json }[] = [{ keys: [], value }]
  for (let at = 0; at < found.length && found.length < MAX_MEMBERS; at += 1) {
    const one = found[at]
    if (!one || isLeaf(one.value) || keysOf.has(one.value)) continue
    keysOf.set(one.value, one.keys)
    for (const [key, inner] of Object.entries(one.value))
      found.push({ keys: [...one.keys, Array.isArray(one.value) ? Number(key) : key], value: inner })
  }
  for (const { keys, value: inner } of found) if (!isLeaf(inner) && !keysOf.has(inner)) keysOf.set(inner, keys)
  return { keysOf, leaves: found.filter((one) => isLeaf(one.value) && one.value !== null) }
}
