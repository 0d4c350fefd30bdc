import type { Db } from '../database/db.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Watch } from '../watch.ts'
import { envelope } from './envelope.ts'
import { eventStore } from './store.ts'

interface Deps {
  db: Db
  log: Log
  now: () => Date
  /** Called after the commit for each client that got something new; must not throw. */
  stored: (clientId: string) => void
  watch?: Watch
}

/** An event as Stripe's own list shows it; `account` is the connected account whose list it is, '' for the source's own. */
interface Listed {
  clientId: string
  sourceId: string
  account: string
  bytes: Buffer
}

/** Keeps events that Stripe has listed rather than sent, as if they had just arrived: the same store, the same identity. */
export function listedEvents({
  db,
  log,
  now,
  stored,
  watch,
}: Deps): (event: Listed) => Promise<'new' | 'known' | 'refused'> {
  const store = eventStore({ db, log, stored, watch, via: 'backfill' })
  return async ({ account, ...event }) => {
    try {
      const read = envelope(event.bytes, event.sourceId, now())
      const { duplicate } = await store({ ...read, account: read.account || account, ...event })
      return duplicate ? 'known' : 'new'
    } catch (error) {
      if (error instanceof Refusal && error.code !== 'unavailable') return 'refused'
      throw error
    }
  }
}
