import { createTimeHeap } from './time-heap.ts'

// setTimeout takes 32 bits of milliseconds; a timer that fires early finds nothing due and is set again.
const LONGEST_MS = 2 ** 31 - 1

/** An endpoint of a client. */
export interface ClientEndpoint {
  clientId: string
  endpointId: string
}

/**
 * The retry clock of a group of clients: calls `onDue` with the endpoints whose next delivery has come due. For each
 * endpoint it knows the earliest time. It is set by durations, so that it is right where the machine's clock differs from the database's.
 */
export function createRetryClock({ onDue }: { onDue: (endpoints: ClientEndpoint[]) => void }) {
  const clients = new Map<string, Map<string, number>>()
  // Times that were replaced by earlier ones stay in the heap until their turn comes.
  const times = createTimeHeap<ClientEndpoint & { at: number }>()
  let timer: NodeJS.Timeout | undefined
  let armedFor = Number.POSITIVE_INFINITY

  const dueTimeOf = ({ clientId, endpointId }: ClientEndpoint) =>
    clients.get(clientId)?.get(endpointId) ?? Number.POSITIVE_INFINITY
  const forgetTime = ({ clientId, endpointId }: ClientEndpoint) => {
    const ofClient = clients.get(clientId)
    ofClient?.delete(endpointId)
    if (ofClient?.size === 0) clients.delete(clientId)
  }
  const armTimer = () => {
    const at = times.peekFirst()?.at ?? Number.POSITIVE_INFINITY
    if (at >= armedFor) return
    clearTimeout(timer)
    armedFor = at
    timer = setTimeout(ringDue, Math.min(Math.max(0, Math.ceil(at - performance.now())), LONGEST_MS))
  }
  const ringDue = () => {
    armedFor = Number.POSITIVE_INFINITY
    const now = performance.now()
    const due: ClientEndpoint[] = []
    while ((times.peekFirst()?.at ?? Number.POSITIVE_INFINITY) <= now) {
      const first = times.takeFirst()
      if (!first || dueTimeOf(first) !== first.at) continue
      forgetTime(first)
      due.push(first)
    }
    armTimer()
    if (due.length > 0) onDue(due)
  }
  return {
    setDue(endpoint: ClientEndpoint, seconds: number) {
      const { clientId, endpointId } = endpoint
      const at = performance.now() + seconds * 1000
      if (at >= dueTimeOf(endpoint)) return
      const ofClient = clients.get(clientId) ?? new Map<string, number>()
      clients.set(clientId, ofClient.set(endpointId, at))
      times.addItem({ clientId, endpointId, at })
      armTimer()
    },
    /** Seconds until `onDue` is called with the first endpoint of this client; null: no time is set. */
    secondsUntilNextOf(clientId: string): number | null {
      const ofClient = clients.get(clientId)
      return ofClient ? (Math.min(...ofClient.values()) - performance.now()) / 1000 : null
    },
    isUnset: () => clients.size === 0,
    stop() {
      clearTimeout(timer)
      clients.clear()
      times.removeAll()
    },
  }
}

export type RetryClock = ReturnType<typeof createRetryClock>
