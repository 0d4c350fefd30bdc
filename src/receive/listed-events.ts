import type { Db } from '../database/db.ts'
import type { Routing } from '../domain/routing.ts'
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
  /** The same for the operator's client, when events of its sources are to be routed. */
  onUnsettled?: (clientId: string) => void
  /** How long an event waits for its client. */
  holdSeconds?: number
  watch?: Watch
}

/** An event out of Stripe's list of events; `account` is the connected account whose list it is, '' for the source's own. */
interface ListedEvent {
  clientId: string
  sourceId: string
  account: string
  /** How the source routes its events to clients; null: they are all its client's. */
  routing?: Routing | null
  bytes: Buffer
}

/** Stores events that Stripe has listed, as if it had just sent them: the same store, the same identity. */
export function createListedEventStore(deps: Deps): (event: ListedEvent) => Promise<'new' | 'known' | 'refused'> {
  const storeEvent = createEventStore({ ...deps, via: 'backfill' })
  return async ({ account, routing, ...event }) => {
    try {
      const envelope = readEnvelope(event.bytes, { id: event.sourceId, routing, account }, deps.now())
      const { duplicate } = await storeEvent({ ...envelope, ...event })
      return duplicate ? 'known' : 'new'
    } catch (error) {
      if (error instanceof Refusal && error.code !== 'unavailable') return 'refused'
      throw error
    }
  }
}
