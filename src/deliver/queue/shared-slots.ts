/** One that shares slots with others. */
interface SlotHolder {
  /** Slots that it holds; counted here. */
  slots: number
  /** What it started last was slow. */
  isSlow: boolean
}

/**
 * Shares `max` slots among holders that have something to start, so that slow ones do not crowd out the others. Each starts
 * one in turn, and holds no more slots than are free: a single holder gets half of them, and many leave some to the next.
 * What turns out slow moves to one of `slowSlots` slots beside, as far as there are any: it costs a socket, but no work. A
 * holder that was slow last sees only half of the slots, so that slow ones never take the other half.
 * `requestSlot` puts a holder in the line, where it stays while it `canStart` and does not hold its share; `releaseSlot` and
 * `releaseSlowSlot` give back a slot and put it in the line again.
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
    // A holder that is added again during the walk goes to the end of the line, and is met again.
    for (const holder of line) {
      if (freeSlots <= reserve) return
      line.delete(holder)
      // A holder that has its share is put in the line again when it releases a slot.
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
    /** Whether it could move: otherwise it keeps its slot. */
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
