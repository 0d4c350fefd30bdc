/** The value, which must be there: throws with `what` is missing when it is null or undefined. */
export function present<T>(value: T, what = 'a value'): NonNullable<T> {
  if (value === null || value === undefined) throw new Error(`Expected ${what}, but got ${value}.`)
  return value
}
