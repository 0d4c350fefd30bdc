/** One that shares places with others. */
interface SlotHolder {
  /** Places that it holds; counted here. */
  slots: number
  /** What it started last took long. */
  isSlow: boolean
}

/**
 * Shares `max` places among those who have something to start, so that those who keep theirs for long do not crowd out the
 * others. Each starts one in turn, and holds no more places than are free: one alone gets half of them, and many leave some
 * to whoever comes next. What takes long steps aside, as far as there is room beside the places (`aside`): it costs a
 * socket, but no work. Whoever was slow last sees only half of the places, so that the other half is never taken by such.
 * `offer` puts one in the line, where it stays for as long as it is `startable` and not held up by its own share; `freed`
 * gives a place back, `ended` one beside, and both put it in the line again.
 */
export function sharedSlots<T extends SlotHolder>({
  max,
  slowSlots,
  canStart,
  startNext,
}: {
  max: number
  slowSlots: number
  canStart: (holder: T) => boolean
  startNext: (holder: T) => void
}) {
  const fastLine = { line: new Set<T>(), reserve: 0 }
  const slowLine = { line: new Set<T>(), reserve: max >> 1 }
  let freeSlots = max
  let slowSlotsInUse = 0

  const serveLine = ({ line, reserve }: typeof fastLine) => {
    // One that is added again while the line is walked comes to its end, and is met again.
    for (const holder of line) {
      if (freeSlots <= reserve) return
      line.delete(holder)
      // One that holds its share is put in the line again when it gives a place back.
      if (holder.slots >= freeSlots - reserve || !canStart(holder)) continue
      freeSlots -= 1
      holder.slots += 1
      startNext(holder)
      line.add(holder)
    }
  }
  const requestSlot = (holder: T) => {
    const [ownLine, otherLine] = holder.isSlow ? [slowLine, fastLine] : [fastLine, slowLine]
    otherLine.line.delete(holder)
    ownLine.line.add(holder)
    serveLine(fastLine)
    serveLine(slowLine)
  }
  const releaseSlot = (holder: T) => {
    freeSlots += 1
    holder.slots -= 1
    requestSlot(holder)
  }
  return {
    requestSlot,
    releaseSlot,
    /** Whether it could: else it keeps its place. */
    moveToSlowSlot(holder: T): boolean {
      if (slowSlotsInUse === slowSlots) return false
      slowSlotsInUse += 1
      releaseSlot(holder)
      return true
    },
    releaseSlowSlot(holder: T) {
      slowSlotsInUse -= 1
      requestSlot(holder)
    },
  }
}

export type SharedSlots<T extends SlotHolder> = ReturnType<typeof sharedSlots<T>>
