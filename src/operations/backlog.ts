import { operations } from '../contracts/operations.ts'
import { type OldestWaiting, readOldestDeliveries, readOldestSourceEvents } from '../database/backlog.ts'
import type { Queryable } from '../database/db.ts'
import { type Alarm, clearAlarm, listAlarms, raiseAlarm } from './alarms.ts'
import type { Finding } from './emit.ts'

/** A backlog is over when nothing is overdue for this long any more. */
const OVER_SECONDS = 60
const TYPE = 'backlog.growing'

/** The longest overdue item of a client. */
interface WaitingWork extends OldestWaiting {
  of: 'sourceEvents' | 'deliveries'
  endpointId: string | null
}

/**
 * The backlogs to report: each client whose oldest source event or delivery is overdue by `afterSeconds`, once until nothing is
 * overdue by a minute. Deliveries to endpoints that are known to fail do not count, nor do those of operational events. Alarms
 * that are over are cleared here.
 */
export async function findBacklogs(
  db: Queryable,
  { lanes, afterSeconds, now }: { lanes: number; afterSeconds: number; now: () => Date },
): Promise<Finding[]> {
  const waiting = [...(await readWaitingSourceEvents(db, lanes)), ...(await readWaitingDeliveries(db))]
  const long = new Set(waiting.filter(({ seconds }) => seconds >= OVER_SECONDS).map(backlogName))
  for (const alarm of await listAlarms(db, TYPE))
    if (!long.has(backlogName({ ...alarm, of: alarm.subject }))) await clearAlarm(db, alarm)
  return waiting.filter(({ seconds }) => seconds >= afterSeconds).map((one) => createBacklogFinding(one, now))
}

const backlogName = ({ clientId, of }: { clientId: string; of: string }) => `${clientId} ${of}`

const createBacklogFinding =
  ({ clientId, of, endpointId, at, seconds }: WaitingWork, now: () => Date): Finding =>
  async (tx) => {
    const alarm: Alarm = { clientId, type: TYPE, subject: of }
    const since = await raiseAlarm(tx, alarm)
    if (!since) return null
    return {
      type: TYPE,
      clientId,
      key: `${TYPE} ${of} ${clientId} ${since.toISOString()}`,
      occurredAt: now(),
      about: {
        backlog: { of, oldestDueAt: at.toISOString(), oldestSeconds: Math.floor(seconds), endpointId },
      },
    }
  }

async function readWaitingSourceEvents(db: Queryable, lanes: number): Promise<WaitingWork[]> {
  return (await readOldestSourceEvents(db, lanes)).map((one) => ({ ...one, of: 'sourceEvents', endpointId: null }))
}

/** For each client the endpoint with the longest overdue delivery. */
async function readWaitingDeliveries(db: Queryable): Promise<WaitingWork[]> {
  const waiting = (await readOldestDeliveries(db))
    .filter(({ contract, isOpen }) => !isOpen && contract !== operations.name)
    .sort((a, b) => b.seconds - a.seconds)
  const longest = new Map<string, WaitingWork>()
  for (const { clientId, endpointId, at, seconds } of waiting)
    if (!longest.has(clientId)) longest.set(clientId, { clientId, endpointId, at, seconds, of: 'deliveries' })
  return [...longest.values()]
}
