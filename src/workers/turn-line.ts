/** Clients of one group that are worked on together. */
export interface Turn {
  group: string
  clientIds: string[]
  /** Nothing has come of them for a while: their units are given back. */
  isRelease?: boolean
}

/** The clients that wait for their turn, in the order in which they came. */
export interface TurnLine {
  /** To the end of its group's line. A client that stands there already keeps its place. */
  addClient(group: string, clientId: string): void
  /** A turn that is to be taken as it is, before those who stand in line. */
  addTurn(turn: Turn): void
  /** The next turn: all who wait of one group, as far as they fit in. Groups follow one another, those that may not run at present are passed over. */
  takeTurn(mayRun: (group: string) => boolean): Turn | undefined
  /** How many clients wait. */
  countWaiting(): number
}

interface TurnLineOptions {
  /** The most clients of a turn. */
  most: number
  /** Whether a client has to be in a turn of its own. */
  isApart: (clientId: string) => boolean
}

export function createTurnLine({ most, isApart }: TurnLineOptions): TurnLine {
  const lines = new Map<string, Set<string>>()
  const turns: Turn[] = []

  const takeFrom = (line: Set<string>): string[] => {
    const [first] = line
    if (first !== undefined && isApart(first)) return [first]
    const taken: string[] = []
    for (const clientId of line) {
      if (taken.length === most) break
      if (!isApart(clientId)) taken.push(clientId)
    }
    return taken
  }
  return {
    addClient(group, clientId) {
      const line = lines.get(group) ?? new Set()
      lines.set(group, line)
      line.add(clientId)
    },
    addTurn: (turn) => void turns.push(turn),
    takeTurn(mayRun) {
      const ready = turns.findIndex(({ group }) => mayRun(group))
      if (ready >= 0) return turns.splice(ready, 1)[0]
      for (const [group, line] of lines) {
        if (!mayRun(group)) continue
        const clientIds = takeFrom(line)
        for (const clientId of clientIds) line.delete(clientId)
        // What is left of the group comes after the other groups.
        lines.delete(group)
        if (line.size > 0) lines.set(group, line)
        return { group, clientIds }
      }
      return undefined
    },
    countWaiting: () =>
      [...lines.values()].reduce((sum, line) => sum + line.size, 0) +
      turns.reduce((sum, { clientIds, isRelease }) => sum + (isRelease ? 0 : clientIds.length), 0),
  }
}
