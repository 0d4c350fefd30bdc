-- Spreads a gateway's tables over a Citus cluster. `flo-gateway migrate --distribute` runs this statement by statement, each a
-- transaction of its own: broken off it goes on where it was, and run again it finds nothing to do. psql does the same, with
-- all gateways stopped. docs/scaling.md tells why each table is where it is. No migration: one server never needs it.
-- test/database/citus-tables.test.ts holds the lists against the schema.

set citus.multi_shard_modify_mode to 'sequential';

-- What statements call where the rows are.
select create_distributed_function('uuid7_floor(timestamptz)')
 where not exists (select from pg_dist_object
                    where classid = 'pg_proc'::regclass and objid = 'uuid7_floor(timestamptz)'::regprocedure);

-- A whole copy on every node: few rows, seldom written, and found by their id alone or joined with what belongs to one client.
-- Foreign keys among them go and come back, since each table is turned by itself. Citus takes no trigger on them: the gateway
-- raises the versions of endpoints itself.
do $$
declare
  name text;
  names text[] := array['clients', 'api_keys', 'sources', 'endpoints', 'retention', 'pending_floor', 'deletions'];
  link record;
  links text[] := '{}';
begin
  names := array(select n from unnest(names) with ordinality t(n, at)
                  where not exists (select from pg_dist_partition where logicalrelid = n::regclass and repmodel = 't')
                  order by at);
  for link in select conrelid::regclass as child, conname, pg_get_constraintdef(oid) as definition from pg_constraint
               where contype = 'f' and conrelid = any(names::regclass[])
  loop
    execute format('alter table %s drop constraint %I', link.child, link.conname);
    links := links || format('alter table %s add constraint %I %s', link.child, link.conname, link.definition);
  end loop;
  if 'endpoints' = any(names) then
    drop trigger if exists endpoints_version on endpoints;
  end if;
  foreach name in array names loop
    perform create_reference_table(name::regclass);
  end loop;
  foreach name in array links loop
    execute name;
  end loop;
end $$;

-- By client: a client's rows of all these tables lie on one node, and what names the client is asked there alone.
select create_distributed_table('source_events', 'client_id', colocate_with => 'none')
 where not exists (select from pg_dist_partition where logicalrelid = 'source_events'::regclass);

select create_distributed_table('source_event_bodies', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'source_event_bodies'::regclass);

select create_distributed_table('objects', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'objects'::regclass);

select create_distributed_table('users', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'users'::regclass);

select create_distributed_table('user_customers', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'user_customers'::regclass);

select create_distributed_table('holds', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'holds'::regclass);

select create_distributed_table('events', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'events'::regclass);

select create_distributed_table('event_bodies', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'event_bodies'::regclass);

select create_distributed_table('emissions', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'emissions'::regclass);

select create_distributed_table('deliveries', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'deliveries'::regclass);

select create_distributed_table('attempts', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'attempts'::regclass);

select create_distributed_table('leases', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'leases'::regclass);

select create_distributed_table('checkouts', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'checkouts'::regclass);

select create_distributed_table('invoice_dues', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'invoice_dues'::regclass);

select create_distributed_table('hydrations', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'hydrations'::regclass);

select create_distributed_table('hydration_circuits', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'hydration_circuits'::regclass);

select create_distributed_table('backfills', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'backfills'::regclass);

select create_distributed_table('replays', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'replays'::regclass);

select create_distributed_table('endpoint_health', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'endpoint_health'::regclass);

select create_distributed_table('endpoint_news', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'endpoint_news'::regclass);

select create_distributed_table('alarms', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'alarms'::regclass);

select create_distributed_table('interrupted_lanes', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'interrupted_lanes'::regclass);

select create_distributed_table('lone_attempts', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'lone_attempts'::regclass);

select create_distributed_table('forgotten', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'forgotten'::regclass);

select create_distributed_table('source_routes', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'source_routes'::regclass);

select create_distributed_table('routed_objects', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'routed_objects'::regclass);

select create_distributed_table('routings', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'routings'::regclass);

select create_distributed_table('routing_waits', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'routing_waits'::regclass);

select create_distributed_table('routing_news', 'client_id', colocate_with => 'source_events')
 where not exists (select from pg_dist_partition where logicalrelid = 'routing_news'::regclass);

-- Stay on the coordinator: workers, idempotency_keys, purges, migrations, schema_compatibility; so does Graphile Worker's schema.

-- What the coordinator held before is on the nodes by now: its own copies go, so that no partition is checked against them.
do $$
declare
  name regclass;
begin
  for name in
    select p.logicalrelid from pg_dist_partition p join pg_class c on c.oid = p.logicalrelid and not c.relispartition
     where p.colocationid = (select colocationid from pg_dist_partition where logicalrelid = 'source_events'::regclass)
       and exists (select from (select p.logicalrelid::oid union all select relid::oid from pg_partition_tree(p.logicalrelid)) part(id)
                    where pg_relation_size(part.id) > 0)
  loop
    perform truncate_local_data_after_distributing_table(name);
  end loop;
end $$;
