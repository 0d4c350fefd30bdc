/** Types or fields that are named one by one. */
export const MAX_NAMED = 20

export const joinWords = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`

/** Types of events; of many, each is named once with its count. */
export const joinTypes = (types: readonly string[]): string => joinWords(countTypes(types))

/** Types of events in their order; of many, each once with its count. */
export function countTypes(types: readonly string[]): readonly string[] {
  if (types.length <= MAX_NAMED) return types
  const counts = new Map<string, number>()
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1)
  return [...counts].map(([type, count]) => `${count} ${type}`)
}
