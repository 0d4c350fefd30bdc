import { isDeepStrictEqual } from 'node:util'
import type { Json } from '../../src/domain/json.ts'

// https://docs.stripe.com/changelog/2015-01-26/events-previous-attributes-render-differences
const NESTED_DIFFERENCES = '2015-01-26'
// https://docs.stripe.com/changelog/2017-05-25/events-previous-attributes-render-complete-sub-array
const WHOLE_ARRAYS = '2017-05-25'

/**
 * The prior values of what changed, as a version tells them: nested objects partial (before 2015 whole), arrays whole (before
 * mid-2017 the changed members of their elements, with the id); null for a key that is new.
 */
export function previousAttributes(before: Json, after: Json, date: string): Json {
  const previous: Record<string, Json> = {}
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
    if (!isDeepStrictEqual(before[key], after[key]))
      previous[key] = previousValue(before[key] ?? null, after[key], date)
  return previous
}

function previousValue(before: Json, after: Json, date: string): Json {
  if (date < NESTED_DIFFERENCES) return before
  if (isObject(before) && isObject(after)) return previousAttributes(before, after, date)
  if (date < WHOLE_ARRAYS && isList(before) && isList(after)) return changedElements(before, after, date)
  return before
}

function changedElements(before: Json[], after: Json[], date: string): Json[] {
  return after.flatMap((element) => {
    const old = before.find(({ id }) => id === element.id)
    if (!old || isDeepStrictEqual(old, element)) return []
    return [{ id: element.id, ...previousAttributes(old, element, date) }]
  })
}

const isObject = (value: Json) => typeof value === 'object' && value !== null && !Array.isArray(value)
const isList = (value: Json) => Array.isArray(value) && value.every((element) => typeof element?.id === 'string')
