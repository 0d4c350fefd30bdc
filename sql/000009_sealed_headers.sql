-- Up Migration

-- The headers that an endpoint adds, as JSON, encrypted as a whole. What `headers` holds in plain text from before, the first
-- gateway that starts encrypts; from then on it is empty.
alter table endpoints add column sealed_headers text;

-- Encrypting what is stored with another key is no change that anybody should see, or that pumps should read anew.
create or replace function endpoints_raise_version() returns trigger language plpgsql as $$
begin
  if current_setting('flo_gateway.resealing', true) = 'on' then
    return new;
  end if;
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end $$;

-- Nobody needs the secrets of what is deleted.
update endpoints set secrets = '[]', headers = '{}' where deleted_at is not null;

-- The keys of FLO_ENCRYPTION_KEYS that a process has: nothing may be encrypted with one that somebody at work lacks.
alter table workers add column key_ids text[] not null default '{}';
