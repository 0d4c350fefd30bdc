import { setTimeout as delay } from 'node:timers/promises'
import type { WorkerUtils } from 'graphile-worker'
import { z } from 'zod'
import { newId } from '../domain/ids.ts'
import { WORK_ROOMS, type WorkRoom } from './work-rooms.ts'

/** The task that wakes a room for clients. */
export const WAKE_TASK = 'wake'

export const WakePayload = z.object({ room: z.enum(WORK_ROOMS), clientIds: z.array(z.uuid()) })

/** Who is to be woken, and when: at once where that is left out. */
export interface JobWake {
  room: WorkRoom
  clientId: string
  runAt?: Date
}

/** Wakes that travel as jobs of Graphile Worker. */
export interface WakeJobs {
  /** Rejects when they could not be stored. One call at a time. */
  addWakes(wakes: readonly JobWake[]): Promise<void>
}

/** A job of this process for one room and moment, as it was stored last. */
interface StoredJob {
  id: string
  runAt: Date | undefined
  clientIds: ReadonlySet<string>
}

/** So many ids are written in a millisecond at most, in case nobody takes the job up and all are written each time. */
const IDS_PER_MS = 20
/** A job whose time came so long ago has been taken up, or its clients are found by a sweep. */
const FORGET_AFTER_MS = 60_000

/**
 * Stores wakes as one job for each room and moment, however many clients it is about. As long as nobody has taken the job up, it is
 * replaced by one that has the new clients as well, so that there are no more of them while no process works; and what was taken up is said
 * once more at most.
 */
export function createWakeJobs(addJobs: WorkerUtils['addJobs']): WakeJobs {
  const processTag = newId()
  const stored = new Map<string, StoredJob>()
  const keyOf = ({ room, runAt }: JobWake) => `${WAKE_TASK}:${room}:${runAt?.getTime() ?? 'now'}:${processTag}`

  const specOf = (jobKey: string, wakes: readonly JobWake[]) => {
    const [{ room, runAt } = { room: WORK_ROOMS[0] }] = wakes
    const clientIds = new Set([...(stored.get(jobKey)?.clientIds ?? []), ...wakes.map(({ clientId }) => clientId)])
    const payload: z.infer<typeof WakePayload> = { room, clientIds: [...clientIds] }
    return { identifier: WAKE_TASK, payload, jobKey, ...(runAt && { runAt }) }
  }
  return {
    async addWakes(wakes) {
      const byKey = Map.groupBy(wakes, keyOf)
      const specs = [...byKey].map(([jobKey, ofKey]) => specOf(jobKey, ofKey))
      for (const { key, id } of await addJobs(specs)) {
        const ofKey = (key !== null && byKey.get(key)) || []
        const known = key === null ? undefined : stored.get(key)
        // Another id: the one before was taken up, with all that it said.
        const before = known?.id === id ? known.clientIds : []
        const clientIds = new Set([...before, ...ofKey.map(({ clientId }) => clientId)])
        if (key !== null) stored.set(key, { id, runAt: ofKey[0]?.runAt, clientIds })
      }
      for (const [key, { runAt }] of stored)
        if (runAt && runAt.getTime() + FORGET_AFTER_MS < Date.now()) stored.delete(key)
      const idCount = specs.reduce((sum, { payload }) => sum + payload.clientIds.length, 0)
      await delay(Math.floor(idCount / IDS_PER_MS))
    },
  }
}
