import type { Db } from '../database/db.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Watch } from '../watch.ts'
import { readEnvelope } from './envelope.ts'
import { createEventStore } from './store.ts'

interface Deps {
  db: Db
  log: Log
  now: () => Date
  /** Called after the commit for each client that has new source events; must not throw. */
  onStored: (clientId: string) => void
  watch?: Watch
}

/** An event out of Stripe's list of events; `account` is the connected account whose list it is, '' for the source's own. */
interface ListedEvent {
  clientId: string
  sourceId: string
  account: string
  bytes: Buffer
}

/** Stores events that Stripe has listed, as if it had just sent them: the same store, the same identity. */
export function createListedEventStore({
  db,
  log,
  now,
  onStored,
  watch,
}: Deps): (event: ListedEvent) => Promise<'new' | 'known' | 'refused'> {
  const storeEvent = createEventStore({ db, log, now, onStored, watch, via: 'backfill' })
  return async ({ account, ...event }) => {
    try {
      const envelope = readEnvelope(event.bytes, event.sourceId, now())
      const { duplicate } = await storeEvent({ ...envelope, account: envelope.account || account, ...event })
      return duplicate ? 'known' : 'new'
    } catch (error) {
      if (error instanceof Refusal && error.code !== 'unavailable') return 'refused'
      throw error
    }
  }
}
