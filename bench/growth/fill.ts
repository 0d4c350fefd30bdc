import type { Db } from '../../src/database/db.ts'
import type { DailyTable } from '../../src/database/partitions.ts'
import { firstRow } from '../../src/database/rows.ts'
import { newId } from '../../src/domain/ids.ts'
import { CONTRACT, newClient, newEndpoints } from '../seed.ts'
import { stripeEvent } from '../stripe-event.ts'
import { newState } from './state.ts'

/** What there is to look for: one client has half of everything, and a few rows are rare. */
export interface Filled {
  deliveries: number
  days: number
  big: string
  /** Of the big client: four that get everything, and one that gets one in 20,000. */
  endpoints: string[]
  quiet: string
  /** One of the others, whose rows lie far apart. */
  small: { clientId: string; endpointId: string }
  commonType: string
  rareType: string
  user: string
  source: string
  quietSource: string
  /** A source event of the last day with a body that can be explained. */
  explained: string
}

const FAN_OUT = 4
/** Days laid out side by side. */
const AT_ONCE = 2
const CLIENTS = 20
const TYPES = [
  'subscription.renewed',
  'invoice.paid',
  'invoice.created',
  'item.purchased',
  'subscription.updated',
] as const
const RARE = 'subscription.resumed'
/** One in so many. */
const SELDOM = 20_000
/** Payloads are kept for so long: bodies and attempts. */
const PAYLOAD_DAYS = 30

/**
 * Lays out `deliveries` over so many days, with the events and source events behind them and the attempts and bodies of the
 * last 30 days; throws where `isLate` says so. A day is filled before it is attached, so that its indexes are built at once:
 * what months of traffic would have left.
 */
export async function fillDatabase(
  db: Db,
  { deliveries, days }: { deliveries: number; days: number },
  { isLate, say }: { isLate: () => boolean; say: (line: string) => void },
): Promise<Filled> {
  const clients: string[] = []
  for (let at = 0; at < CLIENTS; at += 1) clients.push(await newClient(db))
  const endpoints: string[] = []
  for (const client of clients)
    endpoints.push(...(await newEndpoints(db, client, 'http://127.0.0.1:1/', { count: FAN_OUT })))
  const big = firstRow(clients)
  const quiet = firstRow(await newEndpoints(db, big, 'http://127.0.0.1:1/'))
  const [source, quietSource, user] = [idOfDigit('a'), idOfDigit('b'), idOfDigit('c')]
  const names = { clients, endpoints: [...endpoints, quiet], source, quietSource, user }
  const perDay = Math.ceil(deliveries / days)
  const indexes = await withoutIndexes(db, ['source_events', 'emissions'])
  for (let day = days; day > 0; day -= AT_ONCE) {
    if (isLate()) throw new Error(`Only ${days - day} of ${days} days were laid out in time.`)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, day) }, (_, at) => fillDay(db, day - 1 - at, perDay, names)),
    )
    if ((days - day) % 30 === 28) say(`${((days - day + AT_ONCE) * perDay).toLocaleString('en')} deliveries laid out`)
  }
  for (const made of indexes) await db.query(made)
  await newState(db, { clientId: big, endpointId: firstRow(endpoints), sourceId: source, many: deliveries / 200 })
  const explained = await storeExplainable(db, big, source)
  await db.query(`analyze`)
  return {
    deliveries: perDay * days,
    days,
    big,
    endpoints: endpoints.slice(0, FAN_OUT),
    quiet,
    small: { clientId: firstRow(clients.slice(1)), endpointId: firstRow(endpoints.slice(FAN_OUT)) },
    commonType: TYPES[0],
    rareType: RARE,
    user,
    source,
    quietSource,
    explained,
  }
}

const idOfDigit = (digit: string) => `${digit.repeat(8)}-0000-7000-8000-000000000000`

/** Takes away the indexes of tables without partitions, and answers what makes them again. */
async function withoutIndexes(db: Db, tables: string[]): Promise<string[]> {
  const { rows } = await db.query(
    `select i.indexrelid::regclass::text as index, i.indrelid::regclass::text as table, c.conname as name,
            pg_get_constraintdef(c.oid) as constrains, pg_get_indexdef(i.indexrelid) as made
       from pg_index i left join pg_constraint c on c.conindid = i.indexrelid where i.indrelid = any($1::regclass[])`,
    [tables],
  )
  for (const { index, table, name } of rows)
    await db.query(name ? `alter table ${table} drop constraint ${name}` : `drop index ${index}`)
  return rows.map(({ table, name, constrains, made }) =>
    name ? `alter table ${table} add constraint ${name} ${constrains}` : made,
  )
}

/** SQL of the UUIDv7 of the `n`-th thing of a day that begins at `ms`; things of a day follow one another by their number. */
const idAt = (ms: number, perDay: number, kind: number) => (n: string) =>
  `(lpad(to_hex(${ms} + (${n})::bigint * 86400000 / ${perDay}), 12, '0') || '70008${kind}00' || lpad(to_hex(${n}), 12, '0'))::uuid`

type Sql = (n: string) => string

interface Names {
  clients: string[]
  endpoints: string[]
  source: string
  quietSource: string
  user: string
}

async function fillDay(db: Db, daysAgo: number, perDay: number, names: Names): Promise<void> {
  const { rows } = await db.query(
    `select to_char(day, 'YYYY-MM-DD') as day, to_char(day, 'YYYYMMDD') as name,
            uuid7_floor(day::timestamp at time zone 'UTC') as first, uuid7_floor((day + 1)::timestamp at time zone 'UTC') as last
       from (select (now() at time zone 'UTC')::date - $1::int as day) d`,
    [daysAgo],
  )
  const { day, name, first, last } = rows[0]
  const events = Math.ceil(perDay / FAN_OUT)
  const ids = [1, 2, 3].map((kind) => idAt(Date.parse(day), perDay, kind)) as [Sql, Sql, Sql]
  const [sourceEventId, eventId, deliveryId] = ids
  // Half of everything is the first client's.
  const client = `case when n % 2 = 0 then 0 else 1 + (n / 2) % ${CLIENTS - 1} end`
  const type = `case when n % ${SELDOM} = 0 then '${RARE}' else ($3::text[])[1 + n % ${TYPES.length}] end`
  const values = [day, names.clients, TYPES]
  const draftRows = async (parent: DailyTable, statement: string, params: unknown[]) => {
    const table = `${parent}_${name}`
    // Made ahead by the migration, and empty.
    await db.query(`drop table if exists ${table}`)
    await db.query(`create table ${table} (like ${parent} including defaults including constraints)`)
    await db.query(`insert into ${table} ${statement}`, params)
    await db.query(`alter table ${parent} attach partition ${table} for values from ('${first}') to ('${last}')`)
  }
  await db.query(
    `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at, received_at, state,
                                reason_code, held_until, held_for, due_at)
     select ($2::uuid[])[1 + client], id, case when n % ${SELDOM} = 0 then $5::uuid else $4::uuid end, true, 'evt_' || id,
            type, n % 4, at, at, state,
            case when state in ('ignored', 'failed') then 'no_rule' end, case when state = 'held' then at end,
            case when state = 'held' then '{x}'::text[] end, case when state = 'held' then at + interval '1 year' end
       from (select n, ${client} as client, ${sourceEventId(`n * ${FAN_OUT}`)} as id, 'invoice.paid' as type,
                    $1::date + make_interval(secs => n * 86400.0 / $6) as at,
                    case when n % ${SELDOM} = 2 then 'failed' when $7 < 3 and n % 1000 = 4 then 'held'
                         when n % 3 = 0 then 'ignored' else 'normalized' end as state
               from generate_series(0, $6::int - 1) n where $3::text[] is not null) made`,
    [...values, names.source, names.quietSource, events, daysAgo],
  )
  await draftRows(
    'events',
    `(client_id, id, source_event_id, contract, type, user_id, key, position, occurred_at)
     select ($2::uuid[])[1 + ${client}], ${eventId(`n * ${FAN_OUT}`)}, ${sourceEventId(`n * ${FAN_OUT}`)}, '${CONTRACT}', ${type},
            case when n % ${SELDOM} = 6 then $4::uuid else ('00000000-0000-7000-8000-' || lpad(to_hex(n % 50000), 12, '0'))::uuid end,
            'subscription.renewed:' || n, 0, $1::date
       from generate_series(0, $5::int - 1) n`,
    [...values, names.user, events],
  )
  await db.query(
    `insert into emissions (client_id, contract, key, event_id) select client_id, contract, key || id, id from events_${name}`,
  )
  await draftRows(
    'deliveries',
    `(client_id, event_id, id, endpoint_id, event_type, state, reason, attempts, next_attempt_at, created_at, finished_at)
     select ($2::uuid[])[1 + client], event_id, id, endpoint_id, type, state,
            case when state in ('skipped', 'cancelled') then 'x' end, 1,
            case when state = 'pending' then now() + case when m % 1000 = 8 then interval '1 hour' else '-1 minute' end end,
            at, case when state <> 'pending' then at end
       from (select m, ${client} as client, ${eventId(`m - m % ${FAN_OUT}`)} as event_id, ${deliveryId('m')} as id,
                    ($4::uuid[])[case when m % ${SELDOM} = 16 then cardinality($4::uuid[]) else 1 + ${FAN_OUT} * (${client}) + m % ${FAN_OUT} end] as endpoint_id,
                    ${type} as type, $1::date + make_interval(secs => m * 86400.0 / ${perDay}) as at,
                    case when $5 < 3 and m % 500 = 8 then 'pending' when m % ${SELDOM} = 10 then 'failed'
                         when m % ${SELDOM} = 17 then 'skipped' when m % ${SELDOM} = 18 then 'cancelled' else 'delivered' end as state
               from (select m, m / ${FAN_OUT} as n from generate_series(0, ${perDay} - 1) m) o) made`,
    [...values, names.endpoints, daysAgo],
  )
  const isKept = daysAgo < PAYLOAD_DAYS
  await draftRows(
    'attempts',
    `(client_id, event_id, delivery_id, number, started_at, duration_ms, status)
     select client_id, event_id, id, 1, created_at, 12, 200 from deliveries_${name} where $1`,
    [isKept],
  )
  await draftRows(
    'event_bodies',
    `(client_id, event_id, body) select client_id, id, '{"type":"' || type || '"}' from events_${name} where $1`,
    [isKept],
  )
  await draftRows(
    'source_event_bodies',
    `(client_id, source_event_id, body) select client_id, source_event_id, '{}' from events_${name} where $1`,
    [isKept],
  )
}

/** One source event that is as Stripe sends it. */
async function storeExplainable(db: Db, clientId: string, sourceId: string): Promise<string> {
  const body = stripeEvent('growth')
  const { id: eventId, type } = JSON.parse(body)
  const id = newId()
  await db.query(
    `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at, state, due_at)
     values ($1, $2, $3, true, $4, $5, 0, now(), 'normalized', null)`,
    [clientId, id, sourceId, eventId, type],
  )
  await db.query('insert into source_event_bodies (client_id, source_event_id, body) values ($1, $2, $3)', [
    clientId,
    id,
    Buffer.from(body),
  ])
  return id
}
