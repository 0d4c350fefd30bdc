import { z } from 'zod'
import type { Config } from '../../config.ts'
import type { Contract } from '../../contracts/contract.ts'
import type { Db, Queryable } from '../../database/db.ts'
import type { AppEvent, StoredAppEvent } from '../../domain/app-events.ts'
import type { Log } from '../../log.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import type { Watch } from '../../watch.ts'
import { clientId } from './field-schemas.ts'
import type { IdKind } from './id-owners.ts'
import type { IdempotentRequest } from './idempotency.ts'

/** What the management API needs of the rest of the gateway; `main.ts` hands it over. */
export interface ApiDeps {
  db: Db
  keyRing: KeyRing
  config: Pick<Config, 'adminKey' | 'allowedSubnets'>
  log: Log
  now: () => Date
  contracts: Readonly<Record<string, Contract>>
  /** Where Stripe reaches this gateway, without a slash at the end. */
  publicUrl: () => string
  checkReadiness: () => Readiness
  /** Makes the delivery once more, inside the given transaction, and answers the new one's id; refuses with a Refusal. */
  resendDelivery: (tx: Queryable, clientId: string, deliveryId: string) => Promise<{ id: string; endpointId: string }>
  /** Every mapping of every contract in words; see src/normalize/catalog. */
  describeMappings: () => Record<string, readonly MappingInWords[]>
  /** Why a source event became what it became, and what an event of a source would become; see src/normalize/explain. */
  explainSourceEvent: (db: Queryable, clientId: string, id: string) => Promise<object>
  dryRunEvent: (
    db: Queryable,
    clientId: string,
    sourceId: string,
    event: { type: string; [field: string]: unknown },
  ) => Promise<object>
  /** Lets source events be normalised once more, inside the given transaction: one, or all that fit; refuses with a Refusal. */
  renormalizeOne: (tx: Queryable, clientId: string, id: string) => Promise<void>
  renormalizeMatching: (tx: Queryable, clientId: string, which: RenormalizeFilter) => Promise<{ count: number }>
  /** Tells the normaliser that facts have come which events may wait for, e.g. `client_user_id:cus_1`. */
  onFactsArrived: (clientId: string, facts: string[]) => void
  /** The uuids that subscriptions of registered checkouts were told with before the checkout was known. */
  loadAdoptedUuids: (db: Queryable, checkouts: readonly RegisteredCheckout[]) => Promise<AdoptedUuid>
  /** A source has another key or version: what failed before is tried anew. */
  forgetFailures: (tx: Queryable, clientId: string, sourceId: string) => Promise<void>
  /** Has Stripe's list of events read, inside the given transaction, and answers the backfill's id; refuses with a Refusal. */
  startBackfill: (tx: Queryable, clientId: string, asked: BackfillRequest, now: Date) => Promise<string>
  cancelBackfill: (tx: Queryable, clientId: string, id: string) => Promise<void>
  /** Keeps what a client's application publishes, all or none, once per event id; by itself, in no transaction of the API's. */
  storeAppEvents: (clientId: string, events: readonly AppEvent[]) => Promise<readonly StoredAppEvent[]>
  /** Has an endpoint's events delivered once more, or tells which would be, inside the given transaction; refuses with a Refusal. */
  startReplay: (tx: Queryable, clientId: string, asked: ReplayRequest) => Promise<string>
  previewReplay: (tx: Queryable, clientId: string, asked: ReplayRequest) => Promise<object>
  cancelReplay: (tx: Queryable, clientId: string, id: string) => Promise<void>
  /** Told of each request that was answered, and of endpoints that were disabled. */
  watch?: Watch
  wakes: {
    normalize: (clientId: string) => void
    /** `reread`: deliveries that waited there were cancelled. */
    deliver: (clientId: string, endpointIds?: string[], options?: { reread?: boolean }) => void
    hydrate: (clientId: string) => void
    backfill: (clientId: string) => void
    replay: (clientId: string) => void
  }
}

/** As far as lists choose by it. */
interface MappingInWords {
  name: string
  types: readonly string[]
}

/** A registered checkout, as far as the uuids of its subscriptions go. */
interface RegisteredCheckout {
  clientId: string
  stripeSessionId: string | null
  subscriptions: readonly { id: string }[]
}
type AdoptedUuid = (checkout: RegisteredCheckout, subscription: { id: string }) => string | null

/** Which of Stripe's events are listed; times are Stripe's `created`. */
export interface BackfillRequest {
  sourceId: string
  since: Date
  until?: Date | undefined
  deliverySuccess?: boolean | undefined
  types?: string[] | undefined
  account?: string | undefined
}

/** Which events are replayed to an endpoint; times are those when they were made. */
export interface ReplayRequest {
  endpointId: string
  mode: 'failed' | 'missing' | 'all'
  since?: Date | undefined
  until?: Date | undefined
  eventTypes?: string[] | undefined
}

/** Which source events go through once more; times bound their receipt. */
export interface RenormalizeFilter {
  state: 'failed' | 'ignored'
  code?: string | undefined
  type?: string | undefined
  sourceId?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
}

/** `details` says per part (database, roles) how it is. */
export interface Readiness {
  isReady: boolean
  details: Record<string, unknown>
}

export const SCOPES = ['read', 'write', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** Who asks: an operator (`clientId` null) or one client. */
export interface Caller {
  keyId: string
  clientId: string | null
  scopes: readonly Scope[]
  /** The quota of its client. */
  requestsPerSecond: number | null
}

/** One request that is known, allowed and valid. `Client` is what the route knows about whose it is. */
export interface ApiCall<Query = unknown, Body = unknown, Client = string> {
  caller: Caller
  /** The client it is about; null where an operator asks across all. */
  clientId: Client
  params: Record<string, string>
  query: Query
  body: Body
  /** The pool, or the transaction of a request that writes. */
  db: Queryable
  /** What the request's Idempotency-Key says; null: it has none. Seen to already, but for a route of intake. */
  idempotency: IdempotentRequest | null
  /** Remembers what must happen once the transaction is committed. */
  afterCommit: (work: () => void) => void
}

/** `status` is the route's unless it says otherwise; `replayed`: all of it was done before, for the same Idempotency-Key. */
export type ApiReply = { data: unknown; meta?: object; status?: number; isReplayed?: boolean }

/** One route: what the router runs and what /openapi.json tells are both made of it. */
export interface Route {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** As OpenAPI writes it: `/v1/endpoints/{id}`. */
  path: string
  summary: string
  description?: string
  scope: Scope
  /** Ids in the path, query or body: those that are not the caller's own are not found. */
  ids: Readonly<Record<string, IdKind>>
  /** `one`: needs a client; `any`: an operator may leave it out and asks across all; `none`: is about no single client. */
  client: 'one' | 'any' | 'none'
  /** What stands in the path beside the ids. */
  params: Readonly<Record<string, z.ZodType<string>>>
  query: z.ZodObject
  body: z.ZodType
  reply: z.ZodType
  /** The reply is a page of rows of `reply`. */
  isList: boolean
  status: number
  /** Takes events in: without a rate limit, and stored by a commit of its own, so that repeated work must come to the same. */
  intake: { maxBytes: number } | null
  /** What it answers instead when it is asked otherwise: a dry run, say. */
  otherwise?: { status: number; reply: z.ZodType; when: string }
  answerCall: (call: ApiCall<any, any, any>) => Promise<ApiReply>
}

const NO_FIELDS = z.strictObject({})
type NoFields = typeof NO_FIELDS
// Every route of a client's things lets the client be named, also where an id says it already.
const CLIENT_ONLY = z.strictObject({ clientId })

interface RouteDeclaration<Q extends z.ZodObject, B extends z.ZodType, Client> {
  summary: string
  description?: string
  scope?: Scope
  ids?: Route['ids']
  params?: Route['params']
  query?: Q
  body?: B
  reply: z.ZodType
  isList?: boolean
  status?: number
  intake?: Route['intake']
  otherwise?: Route['otherwise']
  answerCall: (call: ApiCall<z.infer<Q>, z.infer<B>, Client>) => Promise<ApiReply>
}
type HttpMethod = Route['method']
type RouteKind = Pick<Route, 'client' | 'isList'> & { scope: Scope }

function makeRoute(
  line: `${Uppercase<HttpMethod>} ${string}`,
  declared: RouteDeclaration<any, any, any>,
  { client, isList: list, scope }: RouteKind,
): Route {
  const [method = '', path = ''] = line.split(' ')
  return {
    scope,
    ids: {},
    params: {},
    query: client === 'none' ? NO_FIELDS : CLIENT_ONLY,
    body: NO_FIELDS,
    status: 200,
    intake: null,
    client,
    isList: list,
    ...declared,
    method: method.toLowerCase() as HttpMethod,
    path,
  }
}

/** A route of one client's things: `GET /v1/endpoints/{id}`. Its scope is `read` for a GET, else `write`. */
export const route = <Q extends z.ZodObject = NoFields, B extends z.ZodType = NoFields>(
  line: `${Uppercase<HttpMethod>} ${string}`,
  declared: RouteDeclaration<Q, B, string>,
): Route =>
  makeRoute(line, declared, { client: 'one', isList: false, scope: line.startsWith('GET') ? 'read' : 'write' })

/** A list of things that clients own: an operator may leave out the client. `run` gets the page asked for in `query`. */
export const listRoute = <Q extends z.ZodObject = NoFields>(
  line: `GET ${string}`,
  declared: RouteDeclaration<Q, NoFields, string | null>,
): Route => makeRoute(line, declared, { client: 'any', isList: true, scope: 'read' })

/** A route for operators alone. */
export const adminRoute = <Q extends z.ZodObject = NoFields, B extends z.ZodType = NoFields>(
  line: `${Uppercase<HttpMethod>} ${string}`,
  declared: RouteDeclaration<Q, B, string | null>,
): Route => makeRoute(line, declared, { client: 'none', isList: false, scope: 'admin' })

/** What is the same for every client, and asked for with any key that may read. */
export const commonRoute = <Q extends z.ZodObject>(
  line: `GET ${string}`,
  declared: RouteDeclaration<Q, NoFields, unknown>,
): Route => makeRoute(line, declared, { client: 'none', isList: false, scope: 'read' })
