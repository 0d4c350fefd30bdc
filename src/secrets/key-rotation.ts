import { type Db, inTransaction, type Queryable } from '../database/db.ts'
import { ConfigError } from '../errors.ts'
import { type KeyRing, keyIdOf } from './keyring.ts'
import { sealHeaders } from './sealed-headers.ts'

/** How many secrets of a kind are encrypted with a key; `sample` is one of them, as it is stored. */
export interface KeyUse {
  kind: string
  keyId: string
  count: number
  sample: string
}

// Without secrets that have expired and endpoints that were deleted: nobody needs them. A new place where secrets are stored is
// added here and below.
const SEALED_SECRETS = `
  select 'signing secrets of sources' as kind, unnest(signing_secrets) as sealed from sources
  union all
  select 'API keys of sources', api_key from sources where api_key is not null
  union all
  select 'signing secrets of endpoints', s->>'secret'
    from endpoints, jsonb_array_elements(secrets) s
   where deleted_at is null and ((s->>'until') is null or (s->>'until')::timestamptz > now())
  union all
  select 'headers of endpoints', sealed_headers from endpoints where deleted_at is null and sealed_headers is not null
  union all
  select 'keys of what clients have deleted', forgetting_key from clients where forgetting_key is not null
  union all
  select 'client certificates of endpoints', tls->>'key' from endpoints where deleted_at is null and tls->>'key' is not null`
const SEALED_REPLIES = `
  select 'replies kept for an Idempotency-Key', reply from idempotency_keys
   where reply is not null and created_at > now() - interval '24 hours'`

/** Which keys the database's secrets are encrypted with. `withReplies` counts replies too, which are gone in a day. */
export async function countKeyUses(db: Queryable, { replies: withReplies = false } = {}): Promise<KeyUse[]> {
  const { rows } = await db.query<KeyUse>(
    `select kind, split_part(sealed, ':', 1) as "keyId", count(*) as count, min(sealed) as sample
       from (${SEALED_SECRETS} ${withReplies ? `union all ${SEALED_REPLIES}` : ''}) sealed_secrets
      group by 1, 2 order by 1, 2`,
  )
  return rows
}

/** Throws a ConfigError when the ring cannot open what the database holds: a key is missing, or is another of the same id. */
export async function assertKeysOpen(db: Queryable, keyRing: KeyRing): Promise<void> {
  const uses = await countKeyUses(db)
  const problems = [...Map.groupBy(uses, ({ keyId }) => keyId)].flatMap(([keyId, held]) => {
    const what = held.map(({ kind, count }) => `${count} ${kind}`).join(', ')
    if (!keyRing.ids.includes(keyId)) return [`  "${keyId}" is missing: ${what} are encrypted with it`]
    return held.every(({ sample }) => canOpen(keyRing, sample))
      ? []
      : [`  "${keyId}" is not the key that it was: ${what} are encrypted with another key of this id`]
  })
  if (problems.length === 0) return
  throw new ConfigError(
    `FLO_ENCRYPTION_KEYS does not decrypt what this database holds:\n${problems.join('\n')}\n` +
      'Put the key back, behind the first one. It can be taken out when flo-gateway keys rotate says that nothing is left under it.',
  )
}

function canOpen(keyRing: KeyRing, sealed: string): boolean {
  try {
    keyRing.decrypt(sealed)
    return true
  } catch {
    return false
  }
}

/** Processes at work that do not have this key yet: they could not read what is encrypted with it. */
export async function findProcessesWithout(db: Db, keyId: string): Promise<{ host: string; pid: number }[]> {
  // A lock that is free belongs to a process that is gone.
  const { rows } = await db.query(
    'select host, pid from workers where not $1 = any(key_ids) and not pg_try_advisory_xact_lock(lock_key)',
    [keyId],
  )
  return rows
}

/** Few enough that others hardly wait for one of the rows. */
const BATCH = 100

/**
 * Encrypts with the ring's first key whatever is encrypted with another one, or not at all. It works in small transactions beside
 * running gateways, and can be interrupted and started again. Throws when the ring lacks a key; replies under such a key are left.
 */
export async function rotateKeys(db: Db, keyRing: KeyRing): Promise<void> {
  await runInBatches(db, (tx, after) => resealSources(tx, keyRing, after))
  await runInBatches(db, (tx, after) => resealEndpoints(tx, keyRing, after))
  await runInBatches(db, (tx, after) => resealClients(tx, keyRing, after))
  await runInBatches(db, (tx) => resealReplies(tx, keyRing))
}

/** Encrypts the headers that an earlier version has left in plain text; returns at how many endpoints. */
export const sealPlainHeaders = (db: Db, keyRing: KeyRing): Promise<number> =>
  runInBatches(db, (tx, after) => resealEndpoints(tx, keyRing, after, `headers <> '{}'`))

type ResealedRows = { id: string }[]

/** Repeats `batch` after the last id until it finds no more rows; returns how many there were. */
async function runInBatches(db: Db, batch: (tx: Queryable, after: string) => Promise<ResealedRows>): Promise<number> {
  let [count, after] = [0, '00000000-0000-0000-0000-000000000000']
  for (;;) {
    const rows = await inTransaction(db, async (tx) => {
      await tx.query(`select set_config('flo_gateway.resealing', 'on', true)`)
      return batch(tx, after)
    })
    const last = rows.at(-1)
    if (!last) return count
    count += rows.length
    after = last.id
  }
}

const createResealer =
  ({ ids, encrypt, decrypt }: KeyRing) =>
  (sealed: string): string =>
    keyIdOf(sealed) === ids[0] ? sealed : encrypt(decrypt(sealed))

async function resealSources(tx: Queryable, keyRing: KeyRing, after: string): Promise<ResealedRows> {
  const { rows } = await tx.query(
    `select id, signing_secrets, api_key from sources
      where id > $1 and (not starts_with(api_key, $2) or exists (
              select from unnest(signing_secrets) s where not starts_with(s, $2)))
      order by id limit ${BATCH} for update`,
    [after, `${keyRing.ids[0]}:`],
  )
  const reseal = createResealer(keyRing)
  for (const { id, signing_secrets, api_key } of rows)
    await tx.query('update sources set signing_secrets = $2, api_key = $3 where id = $1', [
      id,
      signing_secrets.map(reseal),
      api_key && reseal(api_key),
    ])
  return rows
}

async function resealClients(tx: Queryable, keyRing: KeyRing, after: string): Promise<ResealedRows> {
  const { rows } = await tx.query(
    `select id, forgetting_key from clients
      where id > $1 and not starts_with(forgetting_key, $2) order by id limit ${BATCH} for update`,
    [after, `${keyRing.ids[0]}:`],
  )
  const reseal = createResealer(keyRing)
  for (const { id, forgetting_key } of rows)
    await tx.query('update clients set forgetting_key = $2 where id = $1', [id, reseal(forgetting_key)])
  return rows
}

const STALE_ENDPOINT = `(headers <> '{}' or not starts_with(sealed_headers, $2) or not starts_with(tls->>'key', $2) or exists (
  select from jsonb_array_elements(secrets) s where not starts_with(s->>'secret', $2)))`

async function resealEndpoints(
  tx: Queryable,
  keyRing: KeyRing,
  after: string,
  condition = STALE_ENDPOINT,
): Promise<ResealedRows> {
  const { rows } = await tx.query(
    `select id, headers, sealed_headers, tls, secrets, now() as at from endpoints
      where id > $1 and $2::text is not null and deleted_at is null and ${condition} order by id limit ${BATCH} for update`,
    [after, `${keyRing.ids[0]}:`],
  )
  const reseal = createResealer(keyRing)
  for (const { id, headers, sealed_headers, tls, secrets, at } of rows) {
    const live = secrets.filter(
      ({ until }: { until: string | null }) => until === null || Date.parse(until) > at.getTime(),
    )
    await tx.query(`update endpoints set headers = '{}', sealed_headers = $2, tls = $3, secrets = $4 where id = $1`, [
      id,
      sealed_headers === null ? sealHeaders(keyRing, headers) : reseal(sealed_headers),
      tls && { ...tls, key: tls.key && reseal(tls.key) },
      JSON.stringify(live.map((kept: { secret: string }) => ({ ...kept, secret: reseal(kept.secret) }))),
    ])
  }
  return rows
}

async function resealReplies(tx: Queryable, keyRing: KeyRing): Promise<ResealedRows> {
  const { rows } = await tx.query(
    `select api_key_id, key, key as id, reply from idempotency_keys
      where split_part(reply, ':', 1) = any($1) and created_at > now() - interval '24 hours'
      limit ${BATCH} for update skip locked`,
    [keyRing.ids.slice(1)],
  )
  const reseal = createResealer(keyRing)
  for (const { api_key_id, key, reply } of rows)
    await tx.query('update idempotency_keys set reply = $3 where api_key_id = $1 and key = $2', [
      api_key_id,
      key,
      reseal(reply),
    ])
  return rows
}
