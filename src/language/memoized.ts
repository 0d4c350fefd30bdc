/** A function that works each key's answer out once; for keys that never change, such as mappings and their nodes. */
export function onceFor<K extends object, V>(work: (key: K) => V): (key: K) => V {
  const answers = new WeakMap<K, { answer: V }>()
  return (key) => {
    const known = answers.get(key) ?? { answer: work(key) }
    answers.set(key, known)
    return known.answer
  }
}
