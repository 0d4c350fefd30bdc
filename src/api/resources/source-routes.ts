import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { noteNewNames } from '../../database/routing-news.ts'
import { firstRow } from '../../database/rows.ts'
import { isUuid, LEAST_ID, OPERATOR_CLIENT } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { id, idReference, pageQuery, replyTime, textUpTo } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { type ApiCall, adminRoute, type Route } from '../http/route.ts'
import { assertRoutes } from './source-routing.ts'

const SourceRoute = z
  .strictObject({
    sourceId: id,
    value: z.string().meta({ example: 'acct_1TKx2u' }),
    clientId: id.meta({ description: 'The client that the value names.' }),
    createdAt: replyTime,
    updatedAt: replyTime,
  })
  .meta({
    id: 'SourceRoute',
    description: 'Which client a connected account, or a value of metadata, names to a source that routes its events.',
  })

/** A connected account, or what Stripe takes as a value of metadata. */
const value = textUpTo(500).meta({
  description: 'A connected account (`acct_…`) or a value of the metadata, exactly as it stands there, URL-encoded.',
  example: 'acct_1TKx2u',
})
const params = { value }
const ids = { id: 'source' } as const

type Deps = Pick<ApiDeps, 'keyRing' | 'wakes'>

/** /v1/sources/{id}/routes, for operators: which client a name means to a source that routes its events. */
export const sourceRouteRoutes = (deps: Deps): Route[] => [
  adminRoute('PUT /v1/sources/{id}/routes/{value}', {
    summary: 'Say which client a connected account or a value of metadata names',
    description:
      'Idempotent. Events that wait for this name, or are unrouted for want of it, are routed at once. Those that were routed before stay with the client that they were given to, also where the route named another one.',
    ids,
    params,
    namesOtherClient: true,
    body: z.strictObject({ clientId: idReference }),
    reply: SourceRoute,
    async answerCall(call) {
      const { db, params, body } = call
      const owner = ownerOf(call)
      const target = await lockTarget(db, body.clientId)
      await db.query(
        `insert into source_routes as r (client_id, source_id, value, target_id) values ($1, $2, $3, $4)
         on conflict (client_id, source_id, value) do update set target_id = excluded.target_id, updated_at = excluded.updated_at
          where r.target_id <> excluded.target_id`,
        [owner, params.id, params.value, target],
      )
      await noteName(deps, call)
      return { data: await readSourceRoute(db, { owner, sourceId: params.id, value: params.value }) }
    },
  }),
  adminRoute('GET /v1/sources/{id}/routes', {
    summary: 'List the routes of a source',
    ids,
    namesOtherClient: true,
    query: z.strictObject({
      clientId: idReference.optional().meta({ description: 'Only the routes to this client.' }),
      ...pageQuery,
      order: pageQuery.order.meta({ description: 'By value; `desc` begins with the last.' }),
    }),
    reply: SourceRoute,
    isList: true,
    answerCall: (call) =>
      readPage(
        deps,
        { ...call, clientId: ownerOf(call) },
        {
          list: `routes ${call.params.id}`,
          columns: COLUMNS,
          table: 'source_routes',
          filters: {
            sourceId: ['t.source_id = ?', call.params.id],
            clientId: ['t.target_id = ?::uuid', targetOf(call.query.clientId)],
          },
          keys: [['t.value', 'text']],
          isTimed: false,
        },
      ),
  }),
  adminRoute('GET /v1/sources/{id}/routes/{value}', {
    summary: 'Get a route of a source',
    ids,
    params,
    reply: SourceRoute,
    async answerCall(call) {
      const { db, params } = call
      return { data: await readSourceRoute(db, { owner: ownerOf(call), sourceId: params.id, value: params.value }) }
    },
  }),
  adminRoute('DELETE /v1/sources/{id}/routes/{value}', {
    summary: 'Delete a route of a source',
    description:
      'Events that were routed by it stay where they are. Later events with this name, and those that other events of its objects would route, are unrouted, unless the name is that of a client.',
    ids,
    params,
    reply: z.null(),
    status: 204,
    async answerCall(call) {
      const { db, params } = call
      const { rowCount } = await db.query(
        'delete from source_routes where client_id = $1 and source_id = $2 and value = $3',
        [ownerOf(call), params.id, params.value],
      )
      if (rowCount === 0) throw notFoundRefusal('value', 'names no route of this source')
      await noteName(deps, call)
      return { data: null }
    },
  }),
]

const COLUMNS = `t.source_id as "sourceId", t.value, t.target_id as "clientId", t.created_at as "createdAt",
  t.updated_at as "updatedAt"`

const notFoundRefusal = (path: string, message: string) =>
  new Refusal('not_found', { details: [{ path, code: 'not_found', message }] })

/** The client that the source belongs to. Throws `conflict` where that is not the operator's own. */
function ownerOf({ clientId }: Pick<ApiCall<unknown, unknown, string | null>, 'clientId'>): string {
  assertRoutes(clientId ?? '', 'id')
  return OPERATOR_CLIENT
}

/** The client that is asked for; one that no client is where it is none's id. */
const targetOf = (asked: string | undefined) => (asked === undefined || isUuid(asked) ? asked : LEAST_ID)

/** The client, which is not deleted until the route is stored. Throws `not_found`, and `invalid` for the operator's own. */
async function lockTarget(db: Queryable, clientId: string): Promise<string> {
  const target = clientId.toLowerCase()
  if (target === OPERATOR_CLIENT) {
    const message = "is the operator's own client, which keeps what waits and what is unrouted"
    throw new Refusal('invalid', { details: [{ path: 'clientId', code: 'custom', message }] })
  }
  const { rowCount } = isUuid(target)
    ? await db.query('select 1 from clients where id = $1 for key share', [target])
    : { rowCount: 0 }
  if (rowCount === 0) throw notFoundRefusal('clientId', 'names no client: it does not exist, or was deleted')
  return target
}

async function readSourceRoute(db: Queryable, at: { owner: string; sourceId: string; value: string }) {
  const { rows } = await db.query(
    `select ${COLUMNS} from source_routes t where t.client_id = $1 and t.source_id = $2 and t.value = $3`,
    [at.owner, at.sourceId, at.value],
  )
  if (rows.length === 0) throw notFoundRefusal('value', 'names no route of this source')
  return firstRow(rows)
}

/** What may wait for the name is looked at again. */
async function noteName(
  { wakes }: Deps,
  {
    db,
    params,
    afterCommit,
  }: Pick<
    ApiCall<unknown, unknown, unknown, { readonly id: string; readonly value: string }>,
    'db' | 'params' | 'afterCommit'
  >,
): Promise<void> {
  const woken = await noteNewNames(db, [params.value], { clientId: OPERATOR_CLIENT, sourceId: params.id })
  afterCommit(() => {
    for (const clientId of woken) wakes.route(clientId)
  })
}
