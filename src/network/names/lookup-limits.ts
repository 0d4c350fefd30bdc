/** What is known of a name: that it was found, that its look-up failed or took too long, or nothing. */
export type NameStanding = 'found' | 'unknown' | 'slow'

/** Look-ups under way, for one client and in all, up to which one of this standing may begin: names that hang leave room for others. */
export interface LookupLimits {
  perClient: Record<NameStanding, number>
  total: Record<NameStanding, number>
  /** Waiting look-ups of one client. */
  waiting: number
}

interface Waiting {
  standing: NameStanding
  begin: () => void
}

/**
 * Lets a bounded number of look-ups be under way. Those that wait begin in their order, clients in turn. `run` answers null when
 * too many of the client wait already.
 */
export function limitLookups({ perClient, total, waiting: waitingMax }: LookupLimits) {
  const underWay = new Map<string, number>()
  const waiting = new Map<string, Set<Waiting>>()
  let all = 0

  const mayBegin = (clientId: string, standing: NameStanding) =>
    all < total[standing] && (underWay.get(clientId) ?? 0) < perClient[standing]
  const begin = (clientId: string) => {
    all += 1
    underWay.set(clientId, (underWay.get(clientId) ?? 0) + 1)
  }
  const end = (clientId: string) => {
    all -= 1
    const left = (underWay.get(clientId) ?? 1) - 1
    if (left > 0) underWay.set(clientId, left)
    else underWay.delete(clientId)
    beginWaiting()
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

  return {
    run<T>(clientId: string, standing: NameStanding, work: () => Promise<T>): Promise<T> | null {
      const runNow = async () => {
        begin(clientId)
        try {
          return await work()
        } finally {
          end(clientId)
        }
      }
      if (mayBegin(clientId, standing)) return runNow()
      const requests = waiting.get(clientId) ?? new Set()
      if (requests.size >= waitingMax) return null
      return new Promise<T>((resolve, reject) => {
        requests.add({ standing, begin: () => runNow().then(resolve, reject) })
        waiting.set(clientId, requests)
      })
    },
  }
}
