/** A function that works each key's answer out once; for keys that never change, such as mappings and their nodes. */
export function memoizeByKey<K extends object, V>(compute: (key: K) => V): (key: K) => V {
  const results = new WeakMap<K, { answer: V }>()
  return (key) => {
    const cached = results.get(key)
    if (cached) return cached.answer
    const answer = compute(key)
    results.set(key, { answer })
    return answer
  }
}
