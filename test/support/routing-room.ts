import type { Db } from '../../src/database/db.ts'
import { OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import type { Routing } from '../../src/domain/routing.ts'
import { newLog } from '../../src/log.ts'
import { readEnvelope } from '../../src/receive/envelope.ts'
import type { StoreResult } from '../../src/receive/insert-events.ts'
import { createEventStore, createGroupStore } from '../../src/receive/store.ts'
import { routeBatch } from '../../src/route/route-batch.ts'
import type { RoutedEvent } from '../../src/watch.ts'

/** The receiver's store and the routing room on one database, without HTTP, leases and timers; `at` is the room's clock. */
export function routingRoom(
  db: Db,
  { sourceId, routing = { by: ['metadata'] } }: { sourceId: string; routing?: Routing },
) {
  const log = newLog('silent')
  const storeDeps = { db, log, onStored: () => {} }
  const store = createEventStore(storeDeps)
  const storeGroup = createGroupStore(storeDeps)
  const incoming = (event: object) => {
    const bytes = Buffer.from(JSON.stringify(event))
    const source = { id: sourceId, routing }
    return { ...readEnvelope(bytes, source, new Date()), clientId: OPERATOR_CLIENT, sourceId, bytes }
  }
  return {
    incoming,
    /** Stores one event, in a transaction of its own unless others come at the same time. */
    arrive: (event: object): Promise<StoreResult> => store(incoming(event)),
    /** Stores events in one transaction. */
    arriveTogether: (events: readonly object[]): Promise<StoreResult[]> => storeGroup(events.map(incoming)),
    /** Looks at what is due until nothing is, `secondsOn` later than now. */
    async look({ secondsOn = 0, on = db }: { secondsOn?: number; on?: Db } = {}): Promise<RoutedEvent[]> {
      const routed: RoutedEvent[] = []
      const now = () => new Date(Date.now() + secondsOn * 1000)
      for (let isMore = true; isMore; ) {
        const batch = await routeBatch({ db: on, now, hydrateSeconds: 30 }, OPERATOR_CLIENT)
        routed.push(...batch.routed)
        isMore = batch.isMore
      }
      return routed
    },
  }
}

/** Makes all that waits of a source due, as its time would. */
export const makeAllDue = (db: Db, sourceId: string) =>
  db.query(`update routings set due_at = now() where source_id = $1 and state = 'waiting'`, [sourceId])
