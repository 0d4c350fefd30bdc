import { isDeepStrictEqual } from 'node:util'
import type { Json } from '../../domain/json.ts'

const isObject = (value: Json): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The state that an event left behind: the object with `previous_attributes` put back. They name prior values of changed keys
 * only; nested objects are partial, arrays complete (until 2017: only the changed elements, matched here by id), and a key that
 * was added to the metadata is null, or all of the metadata is named.
 */
export function priorStateOf(object: Json, previous: Json): Json {
  if (!isObject(previous) || !isObject(object)) return putBack(object, previous)
  const known = states.get(previous) ?? new WeakMap()
  states.set(previous, known)
  const prior = known.get(object) ?? putBack(object, previous)
  known.set(object, prior)
  return prior
}

/** Worked out once, and one and the same object from then on: lookups, mappings and the order of states all ask for it. */
const states = new WeakMap<object, WeakMap<object, Json>>()

function putBack(object: Json, previous: Json): Json {
  if (!isObject(previous)) return object
  if (object?.object === 'subscription') previous = withItemBefore(object, previous)
  const changed = Object.entries(previous).map(([key, before]): [string, Json] => [
    key,
    key === 'metadata' && isObject(before) ? metadataBefore(object?.[key], before) : priorValue(object?.[key], before),
  ])
  return { ...object, ...Object.fromEntries(changed) }
}

/** Some API versions show a change of the only item's plan or quantity in the copies at the top alone. */
function withItemBefore(subscription: Json, previous: Record<string, Json>): Record<string, Json> {
  const list = subscription.items?.data
  const [item, another] = Array.isArray(list) ? list : []
  if (!isObject(item) || another || previous.items !== undefined || !(previous.plan || 'quantity' in previous))
    return previous
  const { price: _now, ...plain } = item
  const before = {
    ...(previous.plan ? { ...plain, plan: priorValue(item.plan, previous.plan) } : item),
    ...('quantity' in previous ? { quantity: previous.quantity } : {}),
  }
  return { ...previous, items: { ...subscription.items, data: [before] } }
}

function priorValue(now: Json, before: Json): Json {
  // Partial also where the id itself changed: of a plan that was swapped only what differs is named.
  if (isObject(before) && isObject(now)) return priorStateOf(now, before)
  if (Array.isArray(before) && Array.isArray(now) && before.length > 0 && before.every(isFragment)) {
    const fragments = new Map(before.toReversed().map((fragment) => [fragment.id, fragment]))
    return now.map((element) => {
      const fragment = fragments.get(element?.id)
      return fragment ? priorStateOf(element, fragment) : element
    })
  }
  return before
}

/** What is named has changed: where putting it back changes nothing, all of the metadata is named, and keys were added to it. */
function metadataBefore(now: Json, before: Record<string, Json>): Json {
  const prior = isObject(now) ? { ...now, ...before } : before
  const present = Object.entries(prior).filter(([, value]) => value !== null)
  return isDeepStrictEqual(Object.fromEntries(present), now) ? before : Object.fromEntries(present)
}

// A complete element says what it is (`object`); a fragment of the old shapes carries the changed keys and the id.
const isFragment = (element: Json) =>
  isObject(element) && typeof element.id === 'string' && element.object === undefined
