import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { splitStatements } from '../../src/database/sql-statements.ts'
import { refusedOfMigration } from '../support/citus-migrations.ts'
import { judged } from '../support/citus-rules.ts'

// What the judge of test/database/citus-statements.test.ts lets pass, and what it refuses.

const FUNCTIONS = {
  volatile: new Set(['random', 'clock_timestamp', 'gen_random_uuid', 'pg_advisory_xact_lock']),
  stable: new Set(['now', 'to_char', 'jsonb_build_object', 'extract']),
}
const judge = (sql: string) => judged(sql, FUNCTIONS)

test.each([
  ['client', 'select id from events where client_id = $1 and id = $2'],
  ['client', 'select e.id from events e join event_bodies b on b.client_id = e.client_id where e.client_id = $1'],
  [
    'client',
    'select e.id from events e left join event_bodies b on b.client_id = $1 and b.event_id = e.id where e.client_id = $1::uuid',
  ],
  [
    'client',
    'select 1 from unnest($2::uuid[]) w(id) left join lateral (select id from deliveries where client_id = $1 and endpoint_id = w.id limit 1) d on true',
  ],
  [
    'client',
    'select id from source_events where client_id = $1 and state = $2 order by id limit 5 for update skip locked',
  ],
  ['client', 'select id from events where client_id = $1 and (created_at, id) > ($2, $3)'],
  [
    'client',
    "update source_events set state = case when state = 'failed' then 'received' end, due_at = now() where client_id = $1",
  ],
  ['client', "update source_events set state = case state when 'failed' then 'received' end where client_id = $1"],
  ['client', 'insert into users (client_id, id) values ($1, $2) on conflict (client_id, id) do update set email = $3'],
  ['client', 'select id from users u where client_id = $1 and exists (select from holds where client_id = $1)'],
  ['client', 'select (select min(due_at) from source_events where client_id = $1) as due'],
  ['client', 'select id from events where client_id = $1 union all select id from events where client_id = $1'],
  [
    'client',
    'update deliveries d set state = m.state from unnest($2::uuid[], $3::text[]) m(id, state) where d.client_id = $1 and d.id = m.id',
  ],
  ['client', 'update holds set until = now() where client_id = $1 and fact = $2'],
  [
    'client',
    'delete from leases where client_id = $1 and unit in (select unit from leases where client_id = $1 limit 3 for update)',
  ],
  [
    'client',
    'with moved as (update deliveries set state = $2 where client_id = $1 returning id, event_id) insert into attempts (client_id, event_id, delivery_id) select $1, event_id, id from moved',
  ],
  ['client', 'insert into holds (client_id, source_id, fact, until) values ($1, $2, $3, $4)'],
  [
    'client',
    'select e.id from endpoints e join deliveries d on d.client_id = e.client_id and d.endpoint_id = e.id where e.client_id = $1',
  ],
  [
    'insert',
    'insert into source_events (client_id, id) select * from unnest($1::uuid[], $2::uuid[]) on conflict do nothing returning id',
  ],
  ['all', 'select distinct client_id from replays where state = $1'],
  [
    'all',
    'select count(*) from source_events s where not exists (select from source_event_bodies b where b.client_id = s.client_id and b.source_event_id = s.id)',
  ],
  ['all', 'delete from leases where worker_id = any($1)'],
  ['local', 'select id from endpoints where id = $1'],
  ['local', 'update workers set started_at = clock_timestamp() where id = $1'],
  ['local', 'select now()'],
] as const)('%s: %s', (reach, sql) => {
  expect(judge(sql)).toEqual({ reach, refused: [] })
})

test.each([
  'select id from events where client_id = any($1)',
  'select x.id from unnest($1::uuid[]) c(id) cross join lateral (select id from deliveries where client_id = c.id and client_id = any($1) limit 1) x',
  'delete from leases where worker_id = $2 and client_id = any($1)',
])('clients that are named in a list, in each query, can be those of one shard: %s', (sql) => {
  expect(judge(sql)).toEqual({ reach: 'shard', refused: [] })
})

test.each([
  // Not about one client.
  ['for update', 'select id from deliveries where state = $1 for update'],
  ['for update', 'select id from events where client_id in ($1, $2) for update'],
  ['for update', 'select d.id from deliveries d where exists (select from holds where client_id = $1) for update'],
  [
    'a modification in a with',
    'with gone as (delete from leases where worker_id = $1 returning unit) select unit from gone',
  ],
  [
    'a modification in a with',
    'with a as (insert into events (client_id, id) select * from unnest($1::uuid[], $2::uuid[])) select 1',
  ],
  ['a volatile function', 'select id, random() from events where id = $1'],
  [
    'a lateral subquery',
    'select d.id from clients c cross join lateral (select id from deliveries where client_id = c.id limit 1) d',
  ],
  [
    'a subquery of distributed tables beside none',
    'select c.id from clients c where exists (select from replays r where r.client_id = c.id)',
  ],
  [
    'a subquery that is not about the client',
    'select e.id from events e where exists (select from users u where u.id = e.user_id)',
  ],
  [
    'a limit in a subquery',
    'select e.id from events e where e.id = (select id from users u where u.client_id = e.client_id limit 1)',
  ],
  [
    'an aggregate in a subquery',
    'select (select count(d.id) from deliveries d where d.client_id = e.client_id) from events e',
  ],
  ['a join that is not about one client', 'select e.id from events e join users u on u.id = e.user_id'],
  [
    'a modification that joins',
    'update deliveries d set state = $1 from events e where e.client_id = d.client_id and e.id = d.event_id',
  ],
  [
    'a row of parameters',
    'select count(*) from events where created_at < now() and ($1::timestamptz, $2::float8) is not null',
  ],
  // Also of one client.
  ['a row of parameters', 'select id from events where client_id = $1 and ($2::text, 1) is null'],
  [
    'a parameter in on conflict',
    'insert into users (client_id, id) select client_id, id from events where client_id = $1 on conflict (client_id, id) do update set email = $2',
  ],
  [
    'a parameter in on conflict',
    'insert into users as u (client_id, id) select $1, id from unnest($2::uuid[]) as w(id) on conflict (client_id, id) do update set email = excluded.email where u.email <> $3',
  ],
  [
    'case of an operand',
    "update source_events e set due_at = now(), state = case e.state when 'failed' then 'received' else e.state end where client_id = $1",
  ],
  [
    'case of an operand',
    'delete from holds where client_id = $1 and until < now() and case fact when $2 then true end',
  ],
  [
    'workers is on the coordinator',
    'select l.unit from leases l join workers w on w.id = l.worker_id where l.client_id = $1',
  ],
  [
    'now in case or coalesce',
    'update deliveries set finished_at = case when state = $2 then now() end where client_id = $1',
  ],
  ['now in case or coalesce', 'update api_keys set revoked_at = coalesce(revoked_at, now()) where id = $1'],
  [
    'current_timestamp in case',
    'update holds set until = case when fact = $2 then current_timestamp end where client_id = $1',
  ],
  ['random in a modification', 'update holds set until = now() + random() * $2 where client_id = $1'],
  [
    'pg_advisory_xact_lock in a modification',
    'delete from holds where client_id = $1 and pg_advisory_xact_lock(1) is null',
  ],
  ['to_char of a column', 'update holds set fact = to_char(until, $2) where client_id = $1'],
  [
    'a span of a column',
    'update holds set until = now() + make_interval(secs => m.secs) from unnest($2::int[]) m(secs) where client_id = $1',
  ],
  [
    'now in on conflict',
    'insert into users (client_id, id) values ($1, $2) on conflict (client_id, id) do update set updated_at = now()',
  ],
  [
    'now in on conflict',
    'insert into users as u (client_id, id) values ($1, $2) on conflict (client_id, id) do update set email = $3 where u.updated_at < now()',
  ],
  ['now in returning', 'insert into users (client_id, id) values ($1, $2) returning updated_at = now()'],
  [
    'a subquery in returning',
    'with a as (delete from holds where client_id = $1 returning fact) insert into leases (client_id, unit) select $1, fact from a returning unit in (select fact from a)',
  ],
  [
    'a subquery within values',
    'insert into users (client_id, id) values ($1, (select id from users where client_id = $1 limit 1))',
  ],
  [
    'insert ... values after a with',
    'with a as (insert into event_bodies (client_id, event_id, body) values ($1, $2, $3)) insert into events (client_id, id) values ($1, $2)',
  ],
  ['another client_id', 'update holds set client_id = $2 where client_id = $1'],
])('refused for %s: %s', (why, sql) => {
  expect(judge(sql).refused.join('; ')).toContain(why)
})

test('a client that is named in another query of the statement, or as one of several, is not the one', () => {
  for (const sql of [
    'select id from events where client_id in ($1, $2)',
    'select id from events where client_id = $1 or id = $2',
    'select e.id from events e join users u on u.client_id = $1',
    'select id from events where client_id in (select client_id from users where client_id = $1)',
    'select e.id from events e left join lateral (select id from users where client_id = e.client_id) u on true where e.client_id = $1',
    'select id from events where client_id = $1 union all select id from events where client_id <> $1',
    'update deliveries set state = $2 where endpoint_id = $1',
  ])
    expect(judge(sql).reach, sql).toBe('all')
})

test.each([
  ['', `alter table endpoints add column a int not null default 0 check (a >= 0)`],
  ['', `alter table endpoints add column a int, add column b text not null default ''`],
  ['', `create table alarms (a int); alter table alarms add column b int check (b > 0), add column c int unique`],
  ['', 'alter table workers alter column host set statistics 100'],
  ['a constraint of clients.a without a name', 'alter table clients add column a int check (a > 0), add column b int'],
  ['AT_SetCompression of events.key', 'alter table events alter column key set compression lz4'],
  ['a trigger on deliveries', 'create trigger t before update on deliveries for each row execute function f()'],
])('of migrations of spread tables it says "%s": %s', (why, sql) => {
  expect(refusedOfMigration(sql).join()).toContain(why)
  expect(refusedOfMigration(sql).length > 0).toBe(why !== '')
})

test('Citus refuses none of the migrations since tables can be spread', () => {
  const sql = new URL('../../sql/', import.meta.url)
  const later = readdirSync(sql).filter((name) => /^\d{6}_/.test(name) && name > '000019')
  const refused = later.map((name) => ({ name, why: refusedOfMigration(readFileSync(new URL(name, sql), 'utf8')) }))
  expect(refused.filter(({ why }) => why.length > 0)).toEqual([])
})

test('a file is told apart into its statements, whatever semicolons they hold', () => {
  const file = `-- one; two
    select ';', "a;b", $$ ; $$ /* ; */ from t; -- three;
    do $do$ begin perform $$;$$; end $do$;

    select 1`
  const statements = splitStatements(file)
  expect(statements.map((text) => text.replaceAll(/\s+/g, ' '))).toEqual([
    `select ';', "a;b", $$ ; $$ from t`,
    'do $do$ begin perform $$;$$; end $do$',
    'select 1',
  ])
})
