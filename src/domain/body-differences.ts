import { isDeepStrictEqual } from 'node:util'

/** Every leaf of a value by its path: `lines[0].amount`. */
function leavesOf(value: unknown, path = ''): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return [[path, value]]
  const parts = Array.isArray(value)
    ? value.map((one, at) => [`${path}[${at}]`, one] as const)
    : Object.entries(value).map(([name, one]) => [path === '' ? name : `${path}.${name}`, one] as const)
  return parts.length === 0 ? [[path, value]] : parts.flatMap(([at, one]) => leavesOf(one, at))
}

/** The leaves in which two bodies differ; one that is not there reads as null. */
export function differingFields(stored: unknown, now: unknown): { field: string; stored: unknown; now: unknown }[] {
  const [a, b] = [new Map(leavesOf(stored)), new Map(leavesOf(now))]
  // An empty list that has got elements shows in the elements.
  const isShownByElements = (field: string, own: Map<string, unknown>, there: Map<string, unknown>) =>
    isContainer(own.get(field)) &&
    [...there.keys()].some((other) => other.startsWith(`${field}[`) || other.startsWith(`${field}.`))
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter(
      (field) =>
        !isDeepStrictEqual(a.get(field), b.get(field)) &&
        !isShownByElements(field, a, b) &&
        !isShownByElements(field, b, a),
    )
    .map((field) => ({ field, stored: a.get(field) ?? null, now: b.get(field) ?? null }))
}

const isContainer = (value: unknown) => typeof value === 'object' && value !== null
