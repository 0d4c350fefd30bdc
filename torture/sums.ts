import { ledgerAddsUp, ledgerText, readLedgerReport } from '../src/cli/ledger-report.ts'
import { type Db, openPool } from '../src/database/db.ts'
import { present } from '../test/support/present.ts'
import type { TorturedClient } from './clients.ts'
import { clientOfName } from './names.ts'
import type { Arrival, Receiver } from './receiver.ts'
import type { FakeStripe } from './stripe.ts'

/** Sent once more although it had arrived: an attempt of which no record was made. */
export interface Repeat {
  first: Arrival
  again: Arrival
}

/** The same sums of one client alone. */
export interface ClientSums {
  client: number
  isRouted: boolean
  accepted: number
  /** What the database has of it: source events of the load, and deliveries that ended well. */
  stored: number
  delivered: number
  /** Each event at each endpoint. */
  expected: number
}

/** What came of everything that was accepted. */
export interface Sums {
  accepted: number
  /** Requests that arrived at the endpoints, repeats and retries included. */
  arrivals: number
  endpoints: number
  /** Accepted events that an endpoint never took well, as `<endpoint> <user>`. */
  missing: string[]
  /** Arrivals of events that were never accepted. */
  invented: string[]
  /** What was found with a client whose it is not, at an endpoint or in the database. */
  astray: string[]
  /** Of each client in turn. */
  clients: ClientSums[]
  /** Deliveries of an event to an endpoint beyond the first. */
  deliveredTwice: string[]
  /** All of them, but for `resent`. */
  repeats: Repeat[]
  /** What a kept connection lost, sent once more. */
  resent: Repeat[]
  ledger: string
  addsUp: boolean
}

type Witnesses = { stripe: Pick<FakeStripe, 'accepted'>; receivers: Receiver[]; clients: readonly TorturedClient[] }

/** The attempts that have arrived and that the database knows nothing of, at this moment. */
export async function findUnrecorded(db: Db, receivers: readonly Receiver[], since: number): Promise<Arrival[]> {
  const arrived = receivers.flatMap(({ arrivals }) => arrivals.filter(({ at }) => at >= since))
  const { rows } = await db.query('select delivery_id, number from attempts where delivery_id = any($1::uuid[])', [
    arrived.map(({ deliveryId }) => deliveryId),
  ])
  const recorded = new Set(rows.map(({ delivery_id, number }) => `${delivery_id} ${number}`))
  return arrived.filter(({ deliveryId, attempt }) => !recorded.has(`${deliveryId} ${attempt}`))
}

/** Adds up both sides and the database between them; call it when everything is accepted and nothing is pending. */
export async function addUpSums(url: string, witnesses: Witnesses): Promise<Sums> {
  const { stripe, receivers } = witnesses
  const db = openPool(url, { max: 2 })
  try {
    const report = await readLedgerReport(db, { lateSeconds: 0 })
    const stored = await readStored(db, witnesses.clients)
    const { resent, others: repeats } = partResent(receivers.flatMap(({ arrivals }) => repeatsOf(arrivals)))
    return {
      accepted: stripe.accepted.size,
      arrivals: receivers.reduce((sum, { arrivals }) => sum + arrivals.length, 0),
      endpoints: receivers.length * Math.max(1, witnesses.clients.length),
      missing: receivers.flatMap(({ served }, at) =>
        [...stripe.accepted.keys()].filter((user) => !served.has(user)).map((user) => `${at} ${user}`),
      ),
      invented: receivers.flatMap(({ arrivals }) =>
        arrivals.filter(({ user }) => !stripe.accepted.has(user)).map(({ user }) => user),
      ),
      astray: [
        ...receivers.flatMap(({ arrivals }) => arrivals.filter(({ isAstray }) => isAstray).map(({ user }) => user)),
        ...stored.astray,
      ],
      clients: await addUpClients(db, witnesses, stored.counts),
      deliveredTwice: receivers.flatMap(({ arrivals }) => deliveredTwice(arrivals)),
      repeats,
      resent,
      ledger: ledgerText(report),
      addsUp: ledgerAddsUp(report),
    }
  } finally {
    await db.end()
  }
}

/** Source events of the load by the client that has them, and those that are another's. */
async function readStored(db: Db, clients: readonly TorturedClient[]) {
  const numbers = new Map(clients.map(({ id, number }) => [id, number]))
  const { rows } = await db.query('select client_id, event_id from source_events')
  const known = rows.filter(({ event_id }) => clientOfName(event_id) !== null)
  const astray = known.filter(({ client_id, event_id }) => numbers.get(client_id) !== clientOfName(event_id))
  return {
    astray: astray.map(({ client_id, event_id }): string => `${event_id} with ${client_id}`),
    counts: countBy(known, ({ client_id }) => client_id as string),
  }
}

async function addUpClients(
  db: Db,
  { stripe, receivers, clients }: Witnesses,
  stored: ReadonlyMap<string, number>,
): Promise<ClientSums[]> {
  const { rows } = await db.query(
    "select client_id, count(*)::int as count from deliveries where state = 'delivered' group by 1",
  )
  const delivered = new Map<string, number>(rows.map(({ client_id, count }) => [client_id, count]))
  const accepted = countBy([...stripe.accepted.keys()], clientOfName)
  return clients.map(({ id, number, routedBy }) => ({
    client: number,
    isRouted: routedBy !== null,
    accepted: accepted.get(number) ?? 0,
    stored: stored.get(id) ?? 0,
    delivered: delivered.get(id) ?? 0,
    expected: receivers.length * (accepted.get(number) ?? 0),
  }))
}

/** Those whose sums are not right, whatever those of all are. */
export const unevenClients = (clients: readonly ClientSums[]): ClientSums[] =>
  clients.filter(
    ({ accepted, stored, delivered, expected }) => accepted === 0 || stored !== accepted || delivered !== expected,
  )

function countBy<T, K>(list: readonly T[], keyOf: (one: T) => K): Map<K, number> {
  const counts = new Map<K, number>()
  for (const one of list) counts.set(keyOf(one), 1 + (counts.get(keyOf(one)) ?? 0))
  return counts
}

/** Events that an endpoint was sent under more than one delivery id. */
function deliveredTwice(arrivals: readonly Arrival[]): string[] {
  const ids = Map.groupBy(arrivals, ({ user }) => user)
  return [...ids].filter(([, of]) => new Set(of.map(({ deliveryId }) => deliveryId)).size > 1).map(([user]) => user)
}

/** A retry has a number of its own; the same number once more means that the first one's record was lost. */
function repeatsOf(arrivals: readonly Arrival[]): Repeat[] {
  const attempts = Map.groupBy(arrivals, ({ deliveryId, attempt }) => `${deliveryId} ${attempt}`)
  return [...attempts.values()].flatMap(([first, ...more]) => more.map((again) => ({ first: present(first), again })))
}

/** Each attempt that a kept connection lost is sent once more by right, on a new one; parts those repeats from all others. */
function partResent(repeats: readonly Repeat[]): { resent: Repeat[]; others: Repeat[] } {
  const resent = new Map<Arrival, Repeat>()
  for (const repeat of repeats)
    if (repeat.first.isLostOnKept && repeat.again.isOnNew && !resent.has(repeat.first)) resent.set(repeat.first, repeat)
  return {
    resent: [...resent.values()],
    others: repeats.filter((repeat) => resent.get(repeat.first) !== repeat),
  }
}
