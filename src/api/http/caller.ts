import { createHash, timingSafeEqual } from 'node:crypto'
import type { Queryable } from '../../database/db.ts'
import { isUuid } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import { bearerToken } from '../../network/bearer.ts'
import { type AddToBatch, createBatcher } from '../../workers/batcher.ts'

export const SCOPES = ['read', 'write', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** Who sent a request: an operator (`clientId` null) or one client. */
export interface Caller {
  keyId: string
  clientId: string | null
  scopes: readonly Scope[]
  /** The client's quota, for all its keys together; null: no limit. */
  requestsPerSecond: number | null
}

/** How an API key's secret is stored. */
export const sha256Of = (text: string): Buffer => createHash('sha256').update(text).digest()

interface StoredApiKey {
  clientId: string | null
  scopes: readonly Scope[]
  secretHash: Buffer
  /** The quota of its client, for all keys together; null: no limit. */
  requestsPerSecond: number | null
}

/**
 * Loads live API keys by id; undefined for a key that does not exist or was revoked. Requests that wait at the same time share
 * one statement; nothing is cached.
 */
export const apiKeyLoader = (db: Queryable): AddToBatch<string, StoredApiKey | undefined> =>
  createBatcher(
    async (ids) => {
      const { rows } = await db.query<StoredApiKey & { id: string }>(
        `select k.id, k.client_id as "clientId", k.scopes, k.secret_hash as "secretHash",
                c.requests_per_second as "requestsPerSecond"
           from api_keys k left join clients c on c.id = k.client_id
          where k.id = any($1) and k.revoked_at is null`,
        [[...new Set(ids)]],
      )
      const found = new Map(rows.map((key) => [key.id, key]))
      return ids.map((id) => found.get(id))
    },
    { inFlight: 2, spacingMs: 2 },
  )

/**
 * The caller that an Authorization header belongs to. Looked up for every request, so a revoked key is refused at once. Throws
 * `unauthorized`. `adminKey` is FLO_ADMIN_KEY, an operator's token that exists only in the environment.
 */
export async function authenticateCaller(
  { loadKey, adminKey }: { loadKey: AddToBatch<string, StoredApiKey | undefined>; adminKey: string | undefined },
  authorization: string | undefined,
): Promise<Caller> {
  const token = bearerToken(authorization)
  // Hashes have the same length; the time that the comparison takes must not reveal how much of a guess was right.
  if (adminKey && timingSafeEqual(sha256Of(token), sha256Of(adminKey)))
    return { keyId: 'FLO_ADMIN_KEY', clientId: null, scopes: ['admin'], requestsPerSecond: null }
  const [, id = '', secret = ''] = /^flo_sk_([0-9a-f-]{36})_(\S+)$/.exec(token) ?? []
  if (!isUuid(id)) throw new Refusal('unauthorized')
  const key = await loadKey(id)
  if (!key || !timingSafeEqual(key.secretHash, sha256Of(secret))) throw new Refusal('unauthorized')
  const { clientId, scopes, requestsPerSecond } = key
  return { keyId: id, clientId, scopes, requestsPerSecond }
}

/** Whether the caller has `scope`. An operator has every scope; `admin` on a client's key has no effect. */
export const hasScope = ({ clientId, scopes }: Pick<Caller, 'clientId' | 'scopes'>, scope: Scope): boolean =>
  (clientId === null && scopes.includes('admin')) || (scope !== 'admin' && scopes.includes(scope))

/** The group that a caller's requests share slots and memory in: its client's, or that of all operators. */
export const shareOf = ({ clientId }: Pick<Caller, 'clientId'>): string => clientId ?? 'operators'
