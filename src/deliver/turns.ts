/**
 * Shares `max` places among those who have something to start, one each in turn: a long backlog gets no more than a short
 * one. `offer` puts one in the line, where it stays for as long as it is `startable`; `freed` gives one's place back
 * and puts it in the line again.
 */
export function turns<T>({
  max,
  startable,
  start,
}: {
  max: number
  startable: (one: T) => boolean
  start: (one: T) => void
}) {
  const line = new Set<T>()
  let free = max
  const serve = () => {
    // One that is added again while the line is walked comes to its end, and is met again.
    for (const one of line) {
      if (free === 0) return
      line.delete(one)
      if (!startable(one)) continue
      free -= 1
      start(one)
      line.add(one)
    }
  }
  return {
    offer(one: T) {
      line.add(one)
      serve()
    },
    freed(one: T) {
      free += 1
      line.add(one)
      serve()
    },
  }
}

export type Turns<T> = ReturnType<typeof turns<T>>
