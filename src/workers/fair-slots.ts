/** What wants to do something in a slot: one of a group, which shares the slots with other groups. */
export interface FairSlots {
  /** Runs the work when its group's turn comes. Throws what `refuse` makes when too much of its group waits, or too long. */
  run<T>(group: string, work: () => Promise<T>): Promise<T>
  /** Work of the group has kept the process busy for so long: what it does next waits, so that others get most of the time. */
  charge(group: string, busyMs: number): void
  /** How much runs and waits, over all groups. */
  counts(): { running: number; waiting: number }
}

export interface FairSlotsOptions {
  max: number
  /** The most that one group has at once. */
  perGroup: number
  waitingPerGroup?: number
  waitingMs?: number
  refuse?: () => Error
}

interface Waiter {
  start: () => void
  giveUp: (error: Error) => void
  timer: NodeJS.Timeout | undefined
}

interface Group {
  running: number
  waiting: Set<Waiter>
  notBefore: number
}

/** A group may be busy for so long without a wait; beyond that it waits a multiple of it, so that it gets a quarter of the time. */
const FREE_BUSY_MS = 3
const WAIT_FACTOR = 3
const WAIT_MAX_MS = 2_000

/** Slots for which groups take turns: one that asks for much waits for itself, not before others. */
export function createFairSlots(options: FairSlotsOptions): FairSlots {
  const { max, perGroup, waitingPerGroup = Number.POSITIVE_INFINITY, waitingMs, refuse } = options
  // In the order of their turns: who has started something goes to the end. Who has less under way comes before the others.
  const groups = new Map<string, Group>()
  let running = 0
  let wakeUp: NodeJS.Timeout | undefined

  const groupOf = (name: string): Group => {
    const group = groups.get(name) ?? { running: 0, waiting: new Set(), notBefore: 0 }
    groups.set(name, group)
    return group
  }
  const startNext = () => {
    const now = performance.now()
    while (running < max) {
      const chosen = chooseGroup(now)
      if (!chosen) break
      const [name, group, first] = chosen
      groups.delete(name)
      groups.set(name, group)
      begin(group, first)
    }
    if (running < max) wakeUpLater(now)
  }
  const chooseGroup = (now: number): [string, Group, Waiter] | undefined => {
    let chosen: [string, Group, Waiter] | undefined
    for (const [name, group] of groups) {
      const [first] = group.waiting
      if (!first || group.notBefore > now || group.running >= perGroup) continue
      if (!chosen || group.running < chosen[1].running) chosen = [name, group, first]
    }
    return chosen
  }
  /** Forgets groups that have nothing, and looks again when the first of those that have to wait may go on. */
  const wakeUpLater = (now: number) => {
    let next = Number.POSITIVE_INFINITY
    for (const [name, group] of groups)
      if (group.notBefore > now) next = Math.min(next, group.notBefore)
      else if (group.waiting.size + group.running === 0) groups.delete(name)
    clearTimeout(wakeUp)
    if (next < Number.POSITIVE_INFINITY) wakeUp = setTimeout(startNext, next - now + 1)
  }
  const begin = (group: Group, waiter: Waiter) => {
    clearTimeout(waiter.timer)
    group.waiting.delete(waiter)
    group.running += 1
    running += 1
    waiter.start()
  }
  const waitForTurn = (group: Group) =>
    new Promise<void>((start, giveUp) => {
      const refuseNow = () => giveUp(refuse?.() ?? new Error('Too much waits for a slot.'))
      if (group.waiting.size >= waitingPerGroup) return refuseNow()
      const waiter: Waiter = { start, giveUp, timer: undefined }
      if (waitingMs !== undefined)
        waiter.timer = setTimeout(() => {
          if (group.waiting.delete(waiter)) refuseNow()
        }, waitingMs)
      group.waiting.add(waiter)
      startNext()
    })
  return {
    async run(name, work) {
      const group = groupOf(name)
      await waitForTurn(group)
      try {
        return await work()
      } finally {
        group.running -= 1
        running -= 1
        startNext()
      }
    },
    charge(name, busyMs) {
      if (busyMs <= FREE_BUSY_MS) return
      const group = groupOf(name)
      const now = performance.now()
      const wait = Math.max(group.notBefore - now, 0) + (busyMs - FREE_BUSY_MS) * WAIT_FACTOR
      group.notBefore = now + Math.min(wait, WAIT_MAX_MS)
      startNext()
    },
    counts: () => ({
      running,
      waiting: [...groups.values()].reduce((sum, { waiting }) => sum + waiting.size, 0),
    }),
  }
}
