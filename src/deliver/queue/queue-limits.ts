/** Deliveries held in memory: so many in all, shared among the clients and then among their pumps, with a least and a most for each. */
const QUEUE_LIMIT = { total: 20_000, least: 10, most: 1_000 }

/** Counts the pumps of each client, and says how many deliveries each of them may hold in memory at present. */
export function createQueueLimits() {
  const pumpCounts = new Map<string, number>()
  return {
    countPump(clientId: string) {
      pumpCounts.set(clientId, (pumpCounts.get(clientId) ?? 0) + 1)
    },
    forgetPump(clientId: string) {
      const left = (pumpCounts.get(clientId) ?? 1) - 1
      if (left > 0) pumpCounts.set(clientId, left)
      else pumpCounts.delete(clientId)
    },
    limitOf(clientId: string): number {
      const share = QUEUE_LIMIT.total / Math.max(1, pumpCounts.size) / (pumpCounts.get(clientId) ?? 1)
      return Math.min(QUEUE_LIMIT.most, Math.max(QUEUE_LIMIT.least, Math.floor(share)))
    },
  }
}

export type QueueLimits = ReturnType<typeof createQueueLimits>
