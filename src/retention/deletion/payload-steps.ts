import { expungePayload, findExpungedSubject } from './expunge.ts'
import type { DeletionStep } from './step.ts'

/** Expunges once more: what was under way at the reply may have stored an event or an answer since. */
export const payloadSteps = (clientId: string, subjectId: string): DeletionStep[] => [
  {
    name: 'copies',
    async deleteSome(tx) {
      const subject = await findExpungedSubject(tx, clientId, subjectId)
      const counts = subject ? await expungePayload(tx, clientId, subject) : {}
      return { deleted: Object.values(counts).reduce((sum, count) => sum + count, 0), reached: null }
    },
  },
]
