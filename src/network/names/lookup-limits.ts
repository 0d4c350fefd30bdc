/** What is known of a name: that it was found, that its look-up failed or took too long, or nothing. */
export type NameStanding = 'found' | 'unknown' | 'slow'

export interface LookupLimits {
  /** Look-ups under way, of one client and of all, that have just begun. Names that were not found yet get two thirds. */
  fresh: Share
  /** Those that take long, beside the fresh ones. Names known to be slow begin among them, and get half. */
  slow: Share
  /** From when on a look-up takes long. */
  slowAfterMs: number
  /** Waiting look-ups of one client. */
  waiting: number
}

interface Share {
  perClient: number
  total: number
}

interface Waiting {
  standing: NameStanding
  begin: () => void
}

/**
 * Lets a bounded number of look-ups be under way. Those that wait begin in their order, clients in turn; one that takes long makes
 * room for the next. `run` answers null when too many of the client wait already.
 */
export function limitLookups({ fresh, slow, slowAfterMs, waiting: waitingMax }: LookupLimits) {
  const freshOnes = countByClient()
  const slowOnes = countByClient()
  const waiting = new Map<string, Set<Waiting>>()

  const mayBegin = (clientId: string, standing: NameStanding): boolean => {
    if (standing === 'slow') return slowOnes.hasRoom(clientId, slow, 1 / 2)
    return freshOnes.hasRoom(clientId, fresh, standing === 'found' ? 1 : 2 / 3)
  }
  const beginWaiting = () => {
    for (const [clientId, requests] of [...waiting]) {
      const next = [...requests].find(({ standing }) => mayBegin(clientId, standing))
      if (!next) continue
      requests.delete(next)
      waiting.delete(clientId)
      // To the end of the line: the others come first next time.
      if (requests.size > 0) waiting.set(clientId, requests)
      next.begin()
      return
    }
  }
  const runNow = async <T>(clientId: string, standing: NameStanding, work: () => Promise<T>): Promise<T> => {
    let among = standing === 'slow' ? slowOnes : freshOnes
    among.add(clientId)
    const timer = setTimeout(() => {
      if (among === slowOnes || !slowOnes.hasRoom(clientId, slow, 1)) return
      freshOnes.remove(clientId)
      among = slowOnes
      slowOnes.add(clientId)
      beginWaiting()
    }, slowAfterMs)
    try {
      return await work()
    } finally {
      clearTimeout(timer)
      among.remove(clientId)
      beginWaiting()
    }
  }

  return {
    run<T>(clientId: string, standing: NameStanding, work: () => Promise<T>): Promise<T> | null {
      if (mayBegin(clientId, standing)) return runNow(clientId, standing, work)
      const requests = waiting.get(clientId) ?? new Set()
      if (requests.size >= waitingMax) return null
      return new Promise<T>((resolve, reject) => {
        requests.add({ standing, begin: () => runNow(clientId, standing, work).then(resolve, reject) })
        waiting.set(clientId, requests)
      })
    },
  }
}

function countByClient() {
  const counts = new Map<string, number>()
  let all = 0
  return {
    hasRoom: (clientId: string, { perClient, total }: Share, part: number) =>
      all < total * part && (counts.get(clientId) ?? 0) < perClient * part,
    add(clientId: string) {
      all += 1
      counts.set(clientId, (counts.get(clientId) ?? 0) + 1)
    },
    remove(clientId: string) {
      all -= 1
      const left = (counts.get(clientId) ?? 1) - 1
      if (left > 0) counts.set(clientId, left)
      else counts.delete(clientId)
    },
  }
}
