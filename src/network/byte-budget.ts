/** Bytes that one request holds in memory. */
export interface HeldBytes {
  add(bytes: number): void
  /** From now on it is not cut: it is proven, or complete. */
  keep(): void
  release(): void
}

export interface ByteBudget {
  /** Begins with none. `onCut` is called, once at most, when its bytes are wanted back: what it holds has to be let go. */
  hold(group: string, onCut: () => void): HeldBytes
  heldBytes(): number
  /** What the group holds that cannot be cut. */
  keptBytes(group: string): number
}

interface Hold {
  bytes: number
  isKept: boolean
  onCut: () => void
}

/**
 * Bounds the bytes that all requests hold together. Above `maxBytes` the group that holds the most loses its oldest one, and so
 * on: whoever sends at once is through before it is the oldest. What is kept is never cut.
 */
export function createByteBudget(maxBytes: number): ByteBudget {
  const groups = new Map<string, { bytes: number; kept: number; holds: Set<Hold> }>()
  let total = 0

  const release = (name: string, hold: Hold) => {
    const group = groups.get(name)
    if (!group?.holds.delete(hold)) return
    group.bytes -= hold.bytes
    if (hold.isKept) group.kept -= hold.bytes
    total -= hold.bytes
    if (group.holds.size === 0) groups.delete(name)
  }
  const cutOne = (): boolean => {
    const largestFirst = [...groups].sort(([, a], [, b]) => b.bytes - a.bytes)
    for (const [name, { holds }] of largestFirst)
      for (const hold of holds) {
        if (hold.isKept || hold.bytes === 0) continue
        release(name, hold)
        hold.onCut()
        return true
      }
    return false
  }
  return {
    hold(name, onCut) {
      const hold: Hold = { bytes: 0, isKept: false, onCut }
      const group = groups.get(name) ?? { bytes: 0, kept: 0, holds: new Set() }
      groups.set(name, group)
      group.holds.add(hold)
      return {
        add(bytes) {
          if (!group.holds.has(hold)) return
          hold.bytes += bytes
          group.bytes += bytes
          if (hold.isKept) group.kept += bytes
          total += bytes
          while (total > maxBytes && cutOne());
        },
        keep() {
          if (hold.isKept || !group.holds.has(hold)) return
          hold.isKept = true
          group.kept += hold.bytes
        },
        release: () => release(name, hold),
      }
    },
    heldBytes: () => total,
    keptBytes: (name) => groups.get(name)?.kept ?? 0,
  }
}
