/** One that shares slots with others. */
interface SlotHolder {
  /** All that hold slots for one client share its part of them. */
  readonly clientId: string
  /** Slots that it holds; counted here. */
  slots: number
  /** What it started last was slow. */
  isSlow: boolean
}

/**
 * Shares `max` slots among holders that have something to start, so that slow ones do not crowd out the others. Each starts
 * one in turn, and holds no more slots than are free: a single holder gets half of them, and many leave some to the next.
 * What turns out slow moves to one of `slowSlots` slots beside, as far as there are any: it costs a socket, but no work. A
 * holder that was slow last sees only half of the slots, so that slow ones never take the other half. What holds for a holder
 * holds for all holders of a client together: with a thousand endpoints it gets half of the slots at most, of either kind.
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
  const clients = createClientShares<T>()
  let freeSlots = max
  let slowSlotsInUse = 0

  const serveLine = ({ line, reserve }: typeof fastLine) => {
    // A holder that is added again during the walk goes to the end of the line, and is met again.
    for (const holder of line) {
      if (freeSlots <= reserve) return
      line.delete(holder)
      // A holder that has its share is put in the line again when it releases a slot.
      if (holder.slots >= freeSlots - reserve || !canStart(holder)) continue
      const share = clients.shareOf(holder)
      if (share.slots >= freeSlots - reserve) {
        share.waiting.add(holder)
        continue
      }
      freeSlots -= 1
      holder.slots += 1
      share.slots += 1
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
    clients.shareOf(holder).slots -= 1
    // Others of the client first: the holder has just had its turn.
    for (const waiting of clients.takeWaiting(freeSlots)) requestSlot(waiting)
    requestSlot(holder)
    clients.forget(holder)
  }
  return {
    requestSlot,
    releaseSlot,
    /** Whether it could move: otherwise it keeps its slot. */
    moveToSlowSlot(holder: T): boolean {
      const share = clients.shareOf(holder)
      if (slowSlotsInUse === slowSlots || share.slowSlots >= Math.ceil(slowSlots / 2)) return false
      slowSlotsInUse += 1
      share.slowSlots += 1
      releaseSlot(holder)
      return true
    },
    releaseSlowSlot(holder: T) {
      slowSlotsInUse -= 1
      clients.shareOf(holder).slowSlots -= 1
      requestSlot(holder)
      clients.forget(holder)
    },
  }
}

interface ClientShare<T> {
  slots: number
  slowSlots: number
  /** Holders that have something to start while their client has its share. */
  waiting: Set<T>
}

/** What each client has of the slots. */
function createClientShares<T extends SlotHolder>() {
  const shares = new Map<string, ClientShare<T>>()
  return {
    shareOf({ clientId }: T): ClientShare<T> {
      const share = shares.get(clientId) ?? { slots: 0, slowSlots: 0, waiting: new Set() }
      shares.set(clientId, share)
      return share
    },
    /** One holder of each client that may have more again. */
    takeWaiting(freeSlots: number): T[] {
      const taken: T[] = []
      for (const [clientId, { slots, slowSlots, waiting }] of shares) {
        const [first] = waiting
        if (slots + slowSlots + waiting.size === 0) shares.delete(clientId)
        if (first === undefined || slots >= freeSlots) continue
        waiting.delete(first)
        taken.push(first)
      }
      return taken
    },
    forget({ clientId }: T) {
      const share = shares.get(clientId)
      if (share && share.slots + share.slowSlots + share.waiting.size === 0) shares.delete(clientId)
    },
  }
}

export type SharedSlots<T extends SlotHolder> = ReturnType<typeof sharedSlots<T>>
