/** Places for turns, so many in all and for each group. */
export interface TurnPlaces {
  isFree(): boolean
  isFreeFor(group: string): boolean
  /** Takes a place; the answer gives it back. A turn that is slow gives it to another one before its end. */
  takePlace(group: string): () => void
}

interface TurnPlacesOptions {
  all: number
  ofGroup: number
  /** After this time a turn is slow: it may wait for a locked row, or for a node. So many at most may be. */
  slowAfterMs: number
  slow: number
  /** A place is free again. */
  onFree: () => void
}

export function createTurnPlaces({ all, ofGroup, slowAfterMs, slow, onFree }: TurnPlacesOptions): TurnPlaces {
  let taken = 0
  let slowCount = 0
  const takenOfGroup = new Map<string, number>()
  const countPlace = (group: string, by: 1 | -1) => {
    taken += by
    const count = (takenOfGroup.get(group) ?? 0) + by
    if (count > 0) takenOfGroup.set(group, count)
    else takenOfGroup.delete(group)
    if (by < 0) onFree()
  }
  return {
    isFree: () => taken < all,
    isFreeFor: (group) => (takenOfGroup.get(group) ?? 0) < ofGroup,
    takePlace(group) {
      let isSlow = false
      const timer = setTimeout(() => {
        if (slowCount === slow) return
        isSlow = true
        slowCount += 1
        countPlace(group, -1)
      }, slowAfterMs)
      countPlace(group, 1)
      return () => {
        clearTimeout(timer)
        if (isSlow) slowCount -= 1
        else countPlace(group, -1)
      }
    },
  }
}
