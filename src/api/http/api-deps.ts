import type { Config } from '../../config.ts'
import type { Contract } from '../../contracts/contract.ts'
import type { Db, Queryable } from '../../database/db.ts'
import type { DeletionKind } from '../../database/deletions.ts'
import type { AppEvent, StoredAppEvent } from '../../domain/app-events.ts'
import type { Log } from '../../log.ts'
import type { HostNames } from '../../network/names/host-names.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import type { Watch } from '../../watch.ts'
import type { RequestRate } from './rate-limit.ts'

/** What the management API needs from the rest of the gateway; `startup/http-routes.ts` passes it in. A `tx` is the caller's transaction. */
export interface ApiDeps {
  db: Db
  /** A pool of its own for what comes in (keys, app events), so that slow requests do not hold it up; the same by default. */
  intakeDb?: Db
  /** Requests that work in the database at once, and for how long each of them may. */
  limits?: { slots: number; statementSeconds: number }
  keyRing: KeyRing
  config: Pick<Config, 'adminKey' | 'allowedSubnets'>
  log: Log
  /** Addresses of host names. */
  names: Pick<HostNames, 'resolveHost'>
  now: () => Date
  contracts: Readonly<Record<string, Contract>>
  /** Where Stripe reaches this gateway, without a trailing slash. */
  publicUrl: () => string
  checkReadiness: () => Readiness | Promise<Readiness>
  /** Counts a request where several processes share the rates: the seconds to wait, 0 for none. This process counts by default. */
  countRequest?: (name: string, rate: RequestRate | undefined) => Promise<number>
  /** Creates a new delivery of the same event and returns its id. Throws a Refusal. */
  resendDelivery: (tx: Queryable, clientId: string, deliveryId: string) => Promise<{ id: string; endpointId: string }>
  /** The worker that this process is registered as. */
  workerId?: () => string
  /** Cancels a pending delivery. Throws a Refusal. */
  cancelDelivery: (tx: Queryable, clientId: string, deliveryId: string) => Promise<{ endpointId: string }>
  /** The mappings of every contract in words; see src/normalize/catalog. */
  describeMappings: () => Record<string, readonly MappingInWords[]>
  /** Why a source event became what it became, and what an event of a source would become; see src/normalize/explain. */
  explainSourceEvent: (db: Queryable, clientId: string, id: string, page: ExplanationPart) => Promise<ExplainedPage>
  dryRunEvent: (
    db: Queryable,
    clientId: string,
    sent: { sourceId: string; event: { type: string; [field: string]: unknown } },
    page: ExplanationPart,
  ) => Promise<ExplainedPage>
  /** Puts source events back to be normalized again: one, or all that match. Throws a Refusal. */
  renormalizeOne: (tx: Queryable, clientId: string, id: string) => Promise<void>
  renormalizeMatching: (tx: Queryable, clientId: string, filter: RenormalizeFilter) => Promise<{ count: number }>
  /** Called with facts that held events may wait for, e.g. `client_user_id:cus_1`. */
  onFactsArrived: (clientId: string, facts: string[]) => void
  /** The uuids that subscriptions of these checkouts were emitted with before the checkout was registered. */
  loadAdoptedUuids: (db: Queryable, checkouts: readonly RegisteredCheckout[]) => Promise<AdoptedUuid>
  /** For a source with a new API key or version: what could not be fetched before is tried again. */
  forgetFailures: (tx: Queryable, clientId: string, sourceId: string) => Promise<void>
  /** Starts a backfill from Stripe's list of events and returns its id. Throws a Refusal. */
  startBackfill: (tx: Queryable, clientId: string, request: BackfillRequest, now: Date) => Promise<string>
  cancelBackfill: (tx: Queryable, clientId: string, id: string) => Promise<void>
  /** Stores published events, all or none, once per event id, in a transaction of its own. */
  storeAppEvents: (clientId: string, events: readonly AppEvent[]) => Promise<readonly StoredAppEvent[]>
  /** Starts a replay and returns its id, or counts what it would send. Throws a Refusal. */
  startReplay: (tx: Queryable, clientId: string, request: ReplayRequest) => Promise<string>
  previewReplay: (tx: Queryable, clientId: string, request: ReplayRequest) => Promise<object>
  cancelReplay: (tx: Queryable, clientId: string, id: string) => Promise<void>
  /** Deletes what the request names, or counts what that would take; see src/retention/deletion/request.ts. Throws a Refusal. */
  requestDeletion: (
    tx: Queryable,
    request: { kind: DeletionKind; clientId: string; subject: string; requestedBy: string },
    options: { isDryRun: boolean },
  ) => Promise<{ id: string | null; subjectId: string; counts: Record<string, number> }>
  /** Notified of every answered request and of endpoints that were disabled. */
  watch?: Watch
  wakes: {
    normalize: (clientId: string) => void
    /** `reread`: pending deliveries of these endpoints were cancelled, so what was read ahead is out of date. */
    deliver: (clientId: string, endpointIds?: string[], options?: { reread?: boolean }) => void
    hydrate: (clientId: string) => void
    backfill: (clientId: string) => void
    replay: (clientId: string) => void
    erase: (clientId: string) => void
    /** The client is the operator's, whose sources route their events. */
    route: (clientId: string) => void
  }
}

/** The part of a described mapping that the list filters by. */
interface MappingInWords {
  name: string
  types: readonly string[]
}

/** The part of a registered checkout that decides the uuids of its subscriptions. */
interface RegisteredCheckout {
  clientId: string
  stripeSessionId: string | null
  account: string | null
  subscriptions: readonly { id: string }[]
}
type AdoptedUuid = (checkout: RegisteredCheckout, subscription: { id: string }) => string | null

/** Which of Stripe's events to list; times are compared with Stripe's `created`. */
interface BackfillRequest {
  sourceId: string
  since: Date
  until?: Date | undefined
  deliverySuccess?: boolean | undefined
  types?: string[] | undefined
  account?: string | undefined
}

/** Which events to replay to an endpoint; times are compared with when the events were created. */
interface ReplayRequest {
  endpointId: string
  mode: 'failed' | 'missing' | 'all'
  since?: Date | undefined
  until?: Date | undefined
  eventTypes?: string[] | undefined
}

/** Which source events to normalize again; times are compared with when they were received. */
interface RenormalizeFilter {
  state: 'failed' | 'ignored' | 'normalized' | 'unrouted'
  code?: string | undefined
  type?: string | undefined
  sourceId?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
}

/** `details` has the state of each part (database, roles). */
interface Readiness {
  isReady: boolean
  details: Record<string, unknown>
}

/** The part of an explanation that is asked for; see src/normalize/explain/page.ts. */
export interface ExplanationPart {
  from: ExplanationPlace
  limit: number
  event?: string | undefined
  field?: string | undefined
}

interface ExplanationPlace {
  event: number
  field: number
}

interface ExplainedPage {
  explanation: object
  next: ExplanationPlace | null
  eventCount: number
}
