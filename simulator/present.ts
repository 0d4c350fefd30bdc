/** A value that every story has by the time it is asked for; throws with the name of what is missing. */
export function present<T>(value: T, what = 'value'): NonNullable<T> {
  if (value === null || value === undefined) throw new Error(`The story has no ${what} here.`)
  return value
}
