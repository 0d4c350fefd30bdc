/** Remembers ids for at least `keepMs`, and for twice as long at most. */
export function createRecentIds({ keepMs }: { keepMs: number }) {
  let [recent, before] = [new Set<string>(), new Set<string>()]
  let since = performance.now()
  const dropOld = () => {
    const now = performance.now()
    if (now < since + keepMs) return
    before = now < since + 2 * keepMs ? recent : new Set()
    recent = new Set()
    since = now
  }
  return {
    addId(id: string) {
      dropOld()
      recent.add(id)
    },
    hasId(id: string): boolean {
      dropOld()
      return recent.has(id) || before.has(id)
    },
  }
}

export type RecentIds = ReturnType<typeof createRecentIds>
