/** One that shares places with others. */
interface Sharer {
  /** Places that it holds; counted here. */
  places: number
  /** What it started last took long. */
  slow: boolean
}

/**
 * Shares `max` places among those who have something to start, so that those who keep theirs for long do not crowd out the
 * others. Each starts one in turn, and holds no more places than are free: one alone gets half of them, and many leave some
 * to whoever comes next. What takes long steps aside, as far as there is room beside the places (`aside`): it costs a
 * socket, but no work. Whoever was slow last sees only half of the places, so that the other half is never taken by such.
 * `offer` puts one in the line, where it stays for as long as it is `startable` and not held up by its own share; `freed`
 * gives a place back, `ended` one beside, and both put it in the line again.
 */
export function turns<T extends Sharer>({
  max,
  aside,
  startable,
  start,
}: {
  max: number
  aside: number
  startable: (one: T) => boolean
  start: (one: T) => void
}) {
  const brisk = { line: new Set<T>(), reserve: 0 }
  const slow = { line: new Set<T>(), reserve: max >> 1 }
  let free = max
  let beside = 0

  const serve = ({ line, reserve }: typeof brisk) => {
    // One that is added again while the line is walked comes to its end, and is met again.
    for (const one of line) {
      if (free <= reserve) return
      line.delete(one)
      // One that holds its share is put in the line again when it gives a place back.
      if (one.places >= free - reserve || !startable(one)) continue
      free -= 1
      one.places += 1
      start(one)
      line.add(one)
    }
  }
  const offer = (one: T) => {
    const [mine, other] = one.slow ? [slow, brisk] : [brisk, slow]
    other.line.delete(one)
    mine.line.add(one)
    serve(brisk)
    serve(slow)
  }
  const freed = (one: T) => {
    free += 1
    one.places -= 1
    offer(one)
  }
  return {
    offer,
    freed,
    /** Whether it could: else it keeps its place. */
    stepAside(one: T): boolean {
      if (beside === aside) return false
      beside += 1
      freed(one)
      return true
    },
    ended(one: T) {
      beside -= 1
      offer(one)
    },
  }
}

export type Turns<T extends Sharer> = ReturnType<typeof turns<T>>
