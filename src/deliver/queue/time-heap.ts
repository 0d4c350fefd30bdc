interface TimedItem {
  at: number
}

/** Items by their times: the earliest can be looked at and taken. A binary heap: each costs a few steps, however many there are. */
export function createTimeHeap<T extends TimedItem>() {
  const items: T[] = []
  const timeOf = (index: number) => items[index]?.at ?? Number.POSITIVE_INFINITY
  const swapItems = (a: number, b: number) => {
    const [first, second] = [items[a], items[b]]
    if (first === undefined || second === undefined) return
    items[a] = second
    items[b] = first
  }
  const riseFrom = (start: number) => {
    for (let index = start; index > 0; ) {
      const parent = (index - 1) >> 1
      if (timeOf(parent) <= timeOf(index)) return
      swapItems(parent, index)
      index = parent
    }
  }
  const sinkFrom = (start: number) => {
    for (let index = start; ; ) {
      const [left, right] = [2 * index + 1, 2 * index + 2]
      const least = timeOf(right) < timeOf(left) ? right : left
      if (timeOf(index) <= timeOf(least)) return
      swapItems(least, index)
      index = least
    }
  }
  return {
    addItem(item: T) {
      items.push(item)
      riseFrom(items.length - 1)
    },
    peekFirst: (): T | undefined => items[0],
    takeFirst(): T | undefined {
      const [first] = items
      const last = items.pop()
      if (last === undefined || items.length === 0) return first
      items[0] = last
      sinkFrom(0)
      return first
    },
    removeAll() {
      items.length = 0
    },
  }
}
