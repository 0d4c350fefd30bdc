-- Up Migration

-- How plans rank that no price tells apart (tiered, metered): {price or plan id: rank}. Upgrades and downgrades go by it.
alter table sources add column plan_ranks jsonb not null default '{}';
