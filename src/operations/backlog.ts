import { operations } from '../contracts/operations.ts'
import { type Oldest, oldestDeliveries, oldestSourceEvents } from '../database/backlog.ts'
import type { Queryable } from '../database/db.ts'
import { type Alarm, clear, raise, raised } from './alarms.ts'
import type { Finding } from './tell.ts'

/** It is over when nothing waits for so long any more. */
const OVER_SECONDS = 60
const TYPE = 'backlog.growing'

/** The longest waiting of a client. */
interface Waiting extends Oldest {
  of: 'sourceEvents' | 'deliveries'
  endpointId: string | null
}

/**
 * What to tell of backlogs: each client whose oldest source event or delivery is `afterSeconds` past its time, once until
 * none is for a minute. Deliveries to endpoints that are known to fail wait rightly, and those of operational events tell
 * nothing of themselves. Alarms that are over are taken back here.
 */
export async function backlogNews(
  db: Queryable,
  { lanes, afterSeconds, now }: { lanes: number; afterSeconds: number; now: () => Date },
): Promise<Finding[]> {
  const waiting = [...(await sourceEventsWaiting(db, lanes)), ...(await deliveriesWaiting(db))]
  const long = new Set(waiting.filter(({ seconds }) => seconds >= OVER_SECONDS).map(nameOf))
  for (const alarm of await raised(db, TYPE))
    if (!long.has(nameOf({ ...alarm, of: alarm.subject }))) await clear(db, alarm)
  return waiting.filter(({ seconds }) => seconds >= afterSeconds).map((one) => news(one, now))
}

const nameOf = ({ clientId, of }: { clientId: string; of: string }) => `${clientId} ${of}`

const news =
  ({ clientId, of, endpointId, at, seconds }: Waiting, now: () => Date): Finding =>
  async (tx) => {
    const alarm: Alarm = { clientId, type: TYPE, subject: of }
    const since = await raise(tx, alarm)
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

async function sourceEventsWaiting(db: Queryable, lanes: number): Promise<Waiting[]> {
  return (await oldestSourceEvents(db, lanes)).map((one) => ({ ...one, of: 'sourceEvents', endpointId: null }))
}

/** Of each client the one endpoint where a delivery waits for the longest. */
async function deliveriesWaiting(db: Queryable): Promise<Waiting[]> {
  const waiting = (await oldestDeliveries(db))
    .filter(({ contract, isOpen }) => !isOpen && contract !== operations.name)
    .sort((a, b) => b.seconds - a.seconds)
  const longest = new Map<string, Waiting>()
  for (const { clientId, endpointId, at, seconds } of waiting)
    if (!longest.has(clientId)) longest.set(clientId, { clientId, endpointId, at, seconds, of: 'deliveries' })
  return [...longest.values()]
}
