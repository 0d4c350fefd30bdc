import type { Db } from '../../src/db.ts'
import { DAILY, type Daily } from '../../src/partitions.ts'
import { CONTRACT, newClient, newEndpoints } from '../seed.ts'

/** What there is to look for: one client has half of everything, and a few rows that are rare. */
export interface Filled {
  deliveries: number
  days: number
  big: string
  /** Has four endpoints that get everything, and one that gets one in 20,000. */
  endpoints: string[]
  quiet: string
  commonType: string
  rareType: string
  user: string
  source: string
  quietSource: string
}

const DAYS = 90
const FAN_OUT = 4
/** Days laid out side by side. */
const AT_ONCE = 2
const CLIENTS = 20
const TYPES = ['subscription.renewed', 'invoice.paid', 'invoice.created', 'item.purchased', 'subscription.updated']
const RARE = 'subscription.resumed'
/** One in so many. */
const SELDOM = 20_000

/**
 * Lays out `deliveries` and the events and source events behind them, over 90 days, and stops where `isLate` says so. A day is
 * filled before it is attached, so that its indexes are built at once: what months of traffic would have left.
 */
export async function fill(
  db: Db,
  deliveries: number,
  { isLate, say }: { isLate: () => boolean; say: (line: string) => void },
): Promise<Filled> {
  const clients: string[] = []
  for (let at = 0; at < CLIENTS; at += 1) clients.push(await newClient(db))
  const big = clients[0]!
  const endpoints = await newEndpoints(db, big, 'http://127.0.0.1:1/', FAN_OUT + 1)
  const [source, quietSource, user] = ['a', 'b', 'c'].map((digit) => `${digit.repeat(8)}-0000-7000-8000-000000000000`)
  const names = { clients, endpoints, source: source!, quietSource: quietSource!, user: user! }
  const perDay = Math.ceil(deliveries / DAYS)
  await db.query('drop index source_events_due, source_events_state, source_events_event, source_events_source')
  await db.query('alter table source_events drop constraint source_events_pkey')
  for (let day = DAYS; day > 0; day -= AT_ONCE) {
    if (isLate()) throw new Error(`Only ${DAYS - day} of ${DAYS} days were laid out in time: try fewer --deliveries.`)
    await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => fillDay(db, day - 1 - at, perDay, names)))
    if ((DAYS - day) % 15 === 13) say(`${(DAYS - day + AT_ONCE) * perDay} deliveries laid out`)
  }
  await db.query('alter table source_events add primary key (client_id, id)')
  await db.query(indexesOfSourceEvents)
  await db.query(`analyze ${DAILY.join(', ')}, source_events`)
  return {
    deliveries: perDay * DAYS,
    days: DAYS,
    big,
    endpoints: endpoints.slice(0, FAN_OUT),
    quiet: endpoints[FAN_OUT]!,
    commonType: TYPES[0]!,
    rareType: RARE,
    user: names.user,
    source: names.source,
    quietSource: names.quietSource,
  }
}

/** SQL of the UUIDv7 of the `n`-th thing of a day that begins at `ms`; things of a day follow one another by their number. */
const idAt = (ms: number, perDay: number, kind: number) => (n: string) =>
  `(lpad(to_hex(${ms} + (${n})::bigint * 86400000 / ${perDay}), 12, '0') || '70008${kind}00' || lpad(to_hex(${n}), 12, '0'))::uuid`

const indexesOfSourceEvents = `
  create index source_events_due on source_events (client_id, lane, due_at, id) where due_at is not null;
  create index source_events_state on source_events (client_id, state, id) where state in ('held', 'failed', 'received');
  create index source_events_event on source_events (client_id, event_id);
  create index source_events_source on source_events (client_id, source_id, id)`

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
    `select to_char(day, 'YYYY-MM-DD') as day, to_char(day, 'YYYYMMDD') as name
       from (select (now() at time zone 'UTC')::date - $1::int as day) d`,
    [daysAgo],
  )
  const { day, name } = rows[0]
  const events = Math.ceil(perDay / FAN_OUT)
  const [sourceEventId, eventId, deliveryId] = [1, 2, 3].map((kind) => idAt(Date.parse(day), perDay, kind)) as [
    Sql,
    Sql,
    Sql,
  ]
  const values = [day, names.clients, TYPES]
  // Half of everything is the first client's.
  const client = `($2::uuid[])[case when n % 2 = 0 then 1 else 2 + (n / 2) % ${CLIENTS - 1} end]`
  const type = `case when n % ${SELDOM} = 0 then '${RARE}' else ($3::text[])[1 + n % ${TYPES.length}] end`
  const draft = async (parent: Daily, statement: string, params: unknown[]) => {
    const table = `${parent}_${name}`
    // Made ahead by the migration, and empty.
    await db.query(`drop table if exists ${table}`)
    await db.query(`create table ${table} (like ${parent} including defaults including constraints)`)
    await db.query(`insert into ${table} ${statement}`, params)
    await db.query(
      `alter table ${parent} attach partition ${table}
         for values from ('${await floorOf(db, day)}') to ('${await floorOf(db, day, 1)}')`,
    )
  }
  await db.query(
    `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at, received_at, state,
                                reason_code, held_until, held_for, due_at)
     select client_id, id, case when n % ${SELDOM} = 0 then $5::uuid else $4::uuid end, true, 'evt_' || id, type, n % 4, at, at, state,
            case when state in ('ignored', 'failed') then 'no_rule' end, case when state = 'held' then at end,
            case when state = 'held' then '{x}'::text[] end, case when state = 'held' then at + interval '1 year' end
       from (select n, ${client} as client_id, ${sourceEventId(`n * ${FAN_OUT}`)} as id, 'invoice.paid' as type,
                    $1::date + make_interval(secs => n * 86400.0 / $6) as at,
                    case when n % ${SELDOM} = 2 then 'failed' when n % ${SELDOM} = 4 then 'held'
                         when n % 3 = 0 then 'ignored' else 'normalized' end as state
               from generate_series(0, $6::int - 1) n where $3::text[] is not null) made`,
    [...values, names.source, names.quietSource, events],
  )
  await draft(
    'events',
    `(client_id, id, source_event_id, contract, type, user_id, key, position, occurred_at)
     select ${client}, ${eventId(`n * ${FAN_OUT}`)}, ${sourceEventId(`n * ${FAN_OUT}`)}, '${CONTRACT}', ${type},
            case when n % ${SELDOM} = 6 then $4::uuid else ('00000000-0000-7000-8000-' || lpad(to_hex(n % 50000), 12, '0'))::uuid end,
            n::text, 0, $1::date
       from generate_series(0, $5::int - 1) n`,
    [...values, names.user, events],
  )
  await draft(
    'deliveries',
    `(client_id, event_id, id, endpoint_id, event_type, state, reason, attempts, next_attempt_at, created_at, finished_at)
     select client_id, event_id, id, endpoint_id, type, state, case when state in ('skipped', 'cancelled') then 'x' end, 1,
            case when state = 'pending' then now() + interval '1 hour' end, at, case when state <> 'pending' then at end
       from (select ${client} as client_id, ${eventId(`m - m % ${FAN_OUT}`)} as event_id, ${deliveryId('m')} as id,
                    ($4::uuid[])[case when m % ${SELDOM} = 8 then ${FAN_OUT + 1} else 1 + m % ${FAN_OUT} end] as endpoint_id,
                    ${type} as type, $1::date + make_interval(secs => m * 86400.0 / ${perDay}) as at,
                    case when $5 < 3 and m % 1000 = 9 then 'pending' when m % ${SELDOM} = 10 then 'failed'
                         when m % ${SELDOM} = 12 then 'skipped' when m % ${SELDOM} = 14 then 'cancelled' else 'delivered' end as state
               from (select m, m / ${FAN_OUT} as n from generate_series(0, ${perDay} - 1) m) o) made`,
    [...values, names.endpoints, daysAgo],
  )
  await draft(
    'attempts',
    `(client_id, event_id, delivery_id, number, started_at, duration_ms, status)
     select client_id, event_id, id, 1, created_at, 12, 200 from deliveries_${name} where $1`,
    [daysAgo < 3],
  )
}

async function floorOf(db: Db, day: string, plus = 0): Promise<string> {
  const { rows } = await db.query(`select uuid7_floor(($1::date + $2::int)::timestamp at time zone 'UTC') as floor`, [
    day,
    plus,
  ])
  return rows[0].floor
}
