import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import type { Caller, Scope } from './caller.ts'
import { clientId } from './field-schemas.ts'
import type { IdKind } from './id-owners.ts'
import type { IdempotentRequest } from './idempotency.ts'

/** One request, authenticated, authorised and valid. `Client` is what the route knows about the client that it concerns. */
export interface ApiCall<Query = unknown, Body = unknown, Client = string, Params = Readonly<Record<string, string>>> {
  caller: Caller
  /** The client that it concerns; null when an operator asks across all clients. */
  clientId: Client
  params: Params
  query: Query
  body: Body
  /** The pool, or the transaction of a request that writes. */
  db: Queryable
  /** The Idempotency-Key with the request that it belongs to; null without one. Only intake routes have to act on it. */
  idempotency: IdempotentRequest | null
  /** Runs `work` once the transaction is committed. */
  afterCommit: (work: () => void) => void
}

/** `status` defaults to the route's. `isReplayed`: the same Idempotency-Key had done all of it before. */
export interface ApiReply {
  data: unknown
  meta?: object
  status?: number
  isReplayed?: boolean
}

/** One route. Both the router and /openapi.json are built from it. */
export interface Route {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** As OpenAPI writes it: `/v1/endpoints/{id}`. */
  path: string
  summary: string
  description?: string
  scope: Scope
  /** Ids in the path, query or body; an id that is not the caller's own is answered with 404. */
  ids: Readonly<Record<string, IdKind>>
  /** `one`: needs a client; `any`: an operator may leave it out to ask across all; `none`: concerns no single client. */
  client: 'one' | 'any' | 'none'
  /** `clientId` in the query or body is a value that the route looks at, not whose the request is: it may be of any client. */
  namesOtherClient: boolean
  /** Path parameters other than the ids. */
  params: Readonly<Record<string, z.ZodType<string>>>
  query: z.ZodObject
  body: z.ZodType
  reply: z.ZodType
  /** What stands in `meta` of a reply that is no list; nothing by default. */
  meta?: z.ZodObject
  /** The reply is a page of rows of `reply`. */
  isList: boolean
  status: number
  /** Takes events in: no rate limit, and a commit of its own, so that doing it again must give the same result. */
  intake: { maxBytes: number } | null
  /** Whether a request with this body only shows something, whatever its method: it may be done again instead of being remembered. */
  storesNothing: (body: unknown) => boolean
  /** Another reply that the same route can give, for example to a dry run. */
  otherwise?: { status: number; reply: z.ZodType; when: string }
  answerCall(call: ApiCall<unknown, unknown, string | null>): Promise<ApiReply>
}

const NO_FIELDS = z.strictObject({})
type NoFields = typeof NO_FIELDS
// Every route about a client's resources lets the caller name the client, even where an id implies it.
const CLIENT_ONLY = z.strictObject({ clientId })

type HttpMethod = Route['method']
type RouteLine = `${Uppercase<HttpMethod>} ${string}`

/** The parameters in a path: `GET /v1/endpoints/{id}` has `id`. */
type PathParams<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? { readonly [name in Name]: string } & PathParams<Rest>
  : Readonly<Record<string, string>>

interface RouteDeclaration<
  Query extends z.ZodObject,
  Body extends z.ZodType,
  Client extends string | null,
  Params extends ApiCall['params'],
> extends Partial<
      Pick<
        Route,
        | 'description'
        | 'scope'
        | 'ids'
        | 'params'
        | 'meta'
        | 'namesOtherClient'
        | 'isList'
        | 'status'
        | 'intake'
        | 'otherwise'
        | 'storesNothing'
      >
    >,
    Pick<Route, 'summary' | 'reply'> {
  query?: Query
  body?: Body
  answerCall(call: ApiCall<z.infer<Query>, z.infer<Body>, Client, Params>): Promise<ApiReply>
}

function makeRoute<
  Query extends z.ZodObject,
  Body extends z.ZodType,
  Client extends string | null,
  Params extends ApiCall['params'],
>(
  line: RouteLine,
  declaration: RouteDeclaration<Query, Body, Client, Params>,
  defaults: Pick<Route, 'client' | 'isList' | 'scope'>,
): Route {
  const [method = '', path = ''] = line.split(' ')
  return {
    ids: {},
    params: {},
    query: defaults.client === 'none' ? NO_FIELDS : CLIENT_ONLY,
    body: NO_FIELDS,
    status: 200,
    intake: null,
    namesOtherClient: false,
    storesNothing: () => false,
    ...defaults,
    ...declaration,
    method: method.toLowerCase() as HttpMethod,
    path,
  }
}

/** A route about the resources of one client: `GET /v1/endpoints/{id}`. Its scope is `read` for a GET, otherwise `write`. */
export const resourceRoute = <
  const Line extends RouteLine,
  Query extends z.ZodObject = NoFields,
  Body extends z.ZodType = NoFields,
>(
  line: Line,
  declaration: RouteDeclaration<Query, Body, string, PathParams<Line>>,
): Route =>
  makeRoute(line, declaration, { client: 'one', isList: false, scope: line.startsWith('GET') ? 'read' : 'write' })

/** As `resourceRoute`, where an operator may leave out the client since the resource may be the operator's own. */
export const anyOwnerRoute = <
  const Line extends RouteLine,
  Query extends z.ZodObject = NoFields,
  Body extends z.ZodType = NoFields,
>(
  line: Line,
  declaration: RouteDeclaration<Query, Body, string | null, PathParams<Line>>,
): Route => makeRoute(line, declaration, { client: 'any', isList: false, scope: 'write' })

/** A list of resources of clients: an operator may leave out the client. The page asked for is in the call's `query`. */
export const listRoute = <const Line extends `GET ${string}`, Query extends z.ZodObject = NoFields>(
  line: Line,
  declaration: RouteDeclaration<Query, NoFields, string | null, PathParams<Line>>,
): Route => makeRoute(line, declaration, { client: 'any', isList: true, scope: 'read' })

/** A route for operators only. */
export const adminRoute = <
  const Line extends RouteLine,
  Query extends z.ZodObject = NoFields,
  Body extends z.ZodType = NoFields,
>(
  line: Line,
  declaration: RouteDeclaration<Query, Body, string | null, PathParams<Line>>,
): Route => makeRoute(line, declaration, { client: 'none', isList: false, scope: 'admin' })

/** A route whose reply is the same for every client, for any key with the scope `read`. */
export const commonRoute = <const Line extends `GET ${string}`, Query extends z.ZodObject>(
  line: Line,
  declaration: RouteDeclaration<Query, NoFields, string | null, PathParams<Line>>,
): Route => makeRoute(line, declaration, { client: 'none', isList: false, scope: 'read' })
