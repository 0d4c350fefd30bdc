import { createHash } from 'node:crypto'
import type { Contract } from '../../contracts/contract.ts'
import { createClientStatement } from '../../database/client-statement.ts'
import type { Queryable } from '../../database/db.ts'
import { hasOpenDeletions } from '../../database/deletions.ts'
import { takesEventType } from '../../domain/event-filter.ts'
import { FANOUT_ORIGIN } from '../../domain/ids.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import { openHeaders, type StoredTls } from '../../secrets/sealed-headers.ts'
import type { RetryPlan } from '../attempt-outcome.ts'
import { type EndpointHealth, newHealth } from './health.ts'

/** Who we are to a receiver, and whom it must be to us; PEM. */
export interface TlsIdentity {
  /** The authorities to trust in place of the public ones. */
  ca?: string
  cert?: string
  key?: string
}

/** So many attempts start in any span of so many seconds, at most. */
export interface RateLimit {
  count: number
  seconds: number
}

/** An endpoint as its attempts need it, read from one version of its row. */
export interface Endpoint {
  readonly id: string
  readonly version: number
  readonly contract: Contract
  readonly origin: string
  readonly path: string
  /** The endpoint's own headers; the contract's win. */
  readonly headers: Readonly<Record<string, string>>
  readonly retryPlan: RetryPlan
  readonly timeoutMs: number
  readonly identity: (TlsIdentity & { id: string }) | null
  readonly maxInFlight: number
  readonly rateLimit: RateLimit | null
  /** A user's events are sent one after another. */
  readonly isOrdered: boolean
  /** Kept up by the pump: what is met under this version is charged to this version. */
  readonly health: EndpointHealth
  /** When attempts had started that the rate limit still counts, in milliseconds since 1970, when the row was read. */
  readonly recentStarts: readonly number[]
  /** Encrypted, newest first; `until` in milliseconds since 1970, null: no end. */
  readonly secrets: readonly { sealed: string; until: number | null }[]
  readonly eventTypes: readonly string[] | null
  /** Disabled or deleted: it takes no deliveries any more. */
  readonly isClosed: boolean
}

const SECRETS_MAX = 5

interface EndpointRow {
  url: string
  contract: string
  event_types: string[] | null
  headers: Record<string, string>
  sealed_headers: string | null
  tls: StoredTls | null
  retry_schedule: number[] | null
  timeout_seconds: number
  max_in_flight: number
  rate_limit: RateLimit | null
  ordering: 'none' | 'user'
  health: HealthRow | null
  status: string
  deleted: boolean
  secrets: { secret: string; until: string | null }[]
}

interface HealthRow {
  recent: EndpointHealth['recent']
  latest: string
  failing_since: string | null
  failures: number
  opened_at: string | null
  probe_at: string | null
  told: boolean
  starts: number[]
}

interface FreshRow {
  clientId: string
  id: string
  version: number | null
  changed: EndpointRow | null
  areDeleting: boolean
}

/** An endpoint as it is now; `gone` with its client; an error when its row makes no sense to this version. */
export type FreshEndpoint = Endpoint | 'gone' | Error

/**
 * The endpoints as they are now, `known` ones re-read only when their version has changed. An endpoint whose lease this worker has
 * lost is missing from the result: nothing may be sent to it from here. `deletingClients`: something of theirs was deleted, and its
 * deliveries may still be there. The clients are of one group (src/database/client-groups.ts). One statement.
 */
export async function refreshEndpoints(
  { db, worker, ...deps }: { db: Queryable; worker: { id: string } } & EndpointReaderDeps,
  endpoints: readonly { clientId: string; id: string; known: Endpoint | null }[],
): Promise<{ endpoints: Map<string, FreshEndpoint>; deletingClients: Set<string> }> {
  const clientIds = endpoints.map(({ clientId }) => clientId)
  const { rows } = await selectFreshRows(db, clientIds, [
    clientIds,
    endpoints.map(({ id }) => id),
    endpoints.map(({ known }) => known?.version ?? 0),
    worker.id,
  ])
  const known = new Map(endpoints.map(({ id, known }) => [id, known]))
  const fresh = new Map(
    rows.map(({ id, version, changed }): [string, FreshEndpoint] => {
      if (version === null) return [id, 'gone']
      const unchanged = known.get(id)
      if (changed) return [id, readableEndpoint(deps, id, version, changed)]
      return [id, unchanged ?? new Error(`endpoint ${id} was read without its row`)]
    }),
  )
  const deletingClients = new Set(rows.flatMap(({ clientId, areDeleting }) => (areDeleting ? clientId : [])))
  return { endpoints: fresh, deletingClients }
}

const selectFreshRows = createClientStatement<FreshRow>({
  name: 'deliver.endpoints',
  text: (tie) => `
    select k.client_id as "clientId", k.id, e.version,
           case when e.version <> k.version then jsonb_build_object(
             'url', e.url, 'contract', e.contract, 'event_types', e.event_types, 'headers', e.headers,
             'sealed_headers', e.sealed_headers, 'tls', e.tls,
             'retry_schedule', e.retry_schedule, 'timeout_seconds', e.timeout_seconds, 'status', e.status,
             'max_in_flight', e.max_in_flight, 'rate_limit', e.rate_limit,
             'ordering', e.ordering,
             'health', (select to_jsonb(h) from endpoint_health h
                         where h.client_id = k.client_id and h.endpoint_id = k.id ${tie('h.client_id')}),
             'deleted', e.deleted_at is not null, 'secrets', e.secrets) end as changed,
           ${hasOpenDeletions('k.client_id')} as "areDeleting"
      from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as k(client_id, id, version)
     cross join lateral (
       select from leases l
        where l.client_id = k.client_id and l.unit = 'endpoint:' || k.id and l.worker_id = $4 ${tie('l.client_id')}
        offset 0) l
      left join lateral (select * from endpoints where client_id = k.client_id and id = k.id offset 0) e on true`,
})

/** What it takes to make sense of a row. */
interface EndpointReaderDeps {
  contracts: Readonly<Record<string, Contract>>
  keyRing: Pick<KeyRing, 'decrypt'>
}

/** A row that cannot be read is its own endpoint's fault: the others are read in the same statement. */
function readableEndpoint(...row: Parameters<typeof endpointFromRow>): Endpoint | Error {
  try {
    return endpointFromRow(...row)
  } catch (error) {
    return new Error(`endpoint ${row[1]} has a row that cannot be read`, { cause: error })
  }
}

function endpointFromRow(
  { contracts, keyRing }: EndpointReaderDeps,
  id: string,
  version: number,
  row: EndpointRow,
): Endpoint | Error {
  const contract = contracts[row.contract]
  if (!contract) return new Error(`endpoint ${id} has the contract "${row.contract}", which this version does not know`)
  if (!URL.canParse(row.url)) return new Error(`endpoint ${id} has a URL that cannot be read`)
  const decrypted = decryptSettings(keyRing, row)
  if (decrypted instanceof Error) return decrypted
  const { origin, pathname, search } = new URL(row.url)
  return {
    id,
    version,
    contract,
    origin,
    path: pathname + search,
    ...decrypted,
    retryPlan: { schedule: row.retry_schedule ?? contract.retrySchedule, jitter: contract.jitter },
    timeoutMs: row.timeout_seconds * 1000,
    maxInFlight: row.max_in_flight,
    isOrdered: row.ordering === 'user',
    rateLimit: row.rate_limit,
    health: row.health ? healthFromRow(row.health) : newHealth(),
    recentStarts: row.health?.starts ?? [],
    secrets: row.secrets.map(({ secret, until }) => ({ sealed: secret, until: until ? Date.parse(until) : null })),
    eventTypes: row.event_types,
    isClosed: row.deleted || row.status === 'disabled',
  }
}

function decryptSettings(
  keyRing: Pick<KeyRing, 'decrypt'>,
  row: EndpointRow,
): Pick<Endpoint, 'headers' | 'identity'> | Error {
  try {
    return {
      headers: openHeaders(keyRing, { headers: row.headers, sealedHeaders: row.sealed_headers }),
      identity: row.tls && tlsIdentityOf(keyRing, row.tls),
    }
  } catch (error) {
    return error as Error
  }
}

function tlsIdentityOf(
  keyRing: Pick<KeyRing, 'decrypt'>,
  { ca, certificate, key }: StoredTls,
): (TlsIdentity & { id: string }) | null {
  const identity = { ...(ca && { ca }), ...(certificate && key && { cert: certificate, key: keyRing.decrypt(key) }) }
  return { ...identity, id: createHash('sha256').update(JSON.stringify(identity)).digest('base64') }
}

const healthFromRow = (row: HealthRow): EndpointHealth => ({
  ...newHealth(),
  recent: row.recent,
  latest: row.latest,
  failingSince: row.failing_since === null ? null : Date.parse(row.failing_since),
  failures: row.failures,
  breaker:
    row.opened_at && row.probe_at ? { since: Date.parse(row.opened_at), probeAt: Date.parse(row.probe_at) } : null,
  isFailureReported: row.told,
})

/** The secrets that sign at `now`, plain and newest first: the first, and older ones within their grace; 5 at most. */
export const liveSecrets = ({ secrets }: Endpoint, now: Date, keyRing: KeyRing): string[] =>
  secrets
    .filter(({ until }, at) => at === 0 || (until !== null && until > now.getTime()))
    .slice(0, SECRETS_MAX)
    .map(({ sealed }) => keyRing.decrypt(sealed))

/** Whether the endpoint's filter lets a delivery pass: the fan-out's deliveries are filtered once more, resends and replays never. */
export const wantsDelivery = ({ eventTypes }: Endpoint, due: { eventType: string; origin: string }): boolean =>
  due.origin !== FANOUT_ORIGIN || takesEventType(eventTypes, due.eventType)
