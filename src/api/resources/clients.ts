import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { noteNewNames } from '../../database/routing-news.ts'
import { isUuid, newId, OPERATOR_CLIENT } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { id, name, pageQuery, replyTime, textUpTo } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { type ApiCall, adminRoute, type Route } from '../http/route.ts'
import { updateSet } from '../http/update-set.ts'

const quotas = z
  .strictObject({
    endpoints: z.number().int().min(0).max(1_000_000).nullable(),
    requestsPerSecond: z.number().int().min(1).max(1_000_000).nullable(),
  })
  .meta({
    description:
      '`endpoints`: how many it may have. `requestsPerSecond`: how many requests all its API keys may send together, with bursts of ten seconds; publishing app events does not count. null: no limit.',
  })

const isOperator = z.boolean().meta({
  description:
    "The operator's own client: its endpoints with the contract operations.v1 are notified about all clients.",
})

const externalId = textUpTo(500)
  .regex(/^[^\s\p{C}]([^\p{C}]*[^\s\p{C}])?$/u, 'must not begin or end with white space, nor hold control characters')
  .meta({
    description:
      "The platform's own id of the client. No two have the same; `flo_client` in Stripe's metadata may hold it to route events to the client.",
    example: 'tenant_42',
  })

const Client = z
  .strictObject({
    id,
    name: z.string(),
    externalId: z.string().nullable(),
    isOperator,
    quotas,
    createdAt: replyTime,
  })
  .meta({ id: 'Client', description: 'A tenant. Sources, endpoints, users and events belong to one.' })

const changedQuotas = quotas.partial().optional()

type Deps = Pick<ApiDeps, 'keyRing' | 'wakes'>

/** /v1/clients, for operators. */
export const clientRoutes = (deps: Deps): Route[] => [
  creationRoute(deps),
  adminRoute('GET /v1/clients', {
    summary: 'List clients',
    query: z.strictObject({ externalId: externalId.optional(), ...pageQuery }),
    reply: Client,
    isList: true,
    answerCall: (call) =>
      readPage(deps, call, {
        list: 'clients',
        columns: COLUMNS,
        table: 'clients',
        where: `t.id <> '${OPERATOR_CLIENT}'`,
        filters: { externalId: ['t.external_id = ?', call.query.externalId] },
        isOwned: false,
      }),
  }),
  adminRoute('GET /v1/clients/{id}', {
    summary: 'Get a client',
    ids: { id: 'client' },
    reply: Client,
    async answerCall({ db, params }) {
      const client = await readClient(db, params.id)
      if (!client) throw new Refusal('not_found')
      return { data: client }
    },
  }),
  adminRoute('PATCH /v1/clients/{id}', {
    summary: 'Change the name, the external id or the quotas of a client, or make it the client of the operator',
    ids: { id: 'client' },
    body: z.strictObject({
      name: name.optional(),
      externalId: externalId.nullable().optional(),
      isOperator: isOperator.optional(),
      quotas: changedQuotas,
    }),
    reply: Client,
    async answerCall(call) {
      const { db, params, body } = call
      const before = await readClient(db, params.id)
      await assertExternalIdIsFree(db, params.id, body.externalId)
      const { endpoints, requestsPerSecond } = body.quotas ?? {}
      const set = updateSet(
        {
          name: body.name,
          external_id: body.externalId,
          is_operator: body.isOperator,
          max_endpoints: endpoints,
          requests_per_second: requestsPerSecond,
        },
        2,
      )
      if (set) await db.query(`update clients set ${set.sql} where id = $1`, [params.id, ...set.values])
      if (body.externalId !== undefined) await noteExternalIds(deps, call, [body.externalId, before?.externalId])
      return { data: await readClient(db, params.id) }
    },
  }),
]

const creationRoute = (deps: Deps): Route =>
  adminRoute('POST /v1/clients', {
    summary: 'Create a client',
    body: z.strictObject({
      name,
      externalId: externalId.nullable().optional(),
      isOperator: isOperator.optional(),
      quotas: changedQuotas,
    }),
    reply: Client,
    status: 201,
    async answerCall(call) {
      const { db, body } = call
      const id = newId()
      await assertExternalIdIsFree(db, id, body.externalId)
      await db.query(
        `insert into clients (id, name, external_id, is_operator, max_endpoints, requests_per_second)
         values ($1, $2, $3, $4, $5, $6)`,
        [
          id,
          body.name,
          body.externalId,
          body.isOperator ?? false,
          body.quotas?.endpoints,
          body.quotas?.requestsPerSecond,
        ],
      )
      await noteExternalIds(deps, call, [body.externalId])
      return { data: await readClient(db, id) }
    },
  })

const COLUMNS = `t.id, t.name, t.external_id as "externalId", t.is_operator as "isOperator", t.created_at as "createdAt",
  json_build_object('endpoints', t.max_endpoints, 'requestsPerSecond', t.requests_per_second) as quotas`

async function readClient(db: Queryable, id: string) {
  const { rows } = await db.query<{ externalId: string | null }>(`select ${COLUMNS} from clients t where id = $1`, [id])
  return rows[0]
}

/** Throws `conflict` where another client has this external id, or has it as its id: it has to name one of them. */
async function assertExternalIdIsFree(db: Queryable, id: string, wanted: string | null | undefined): Promise<void> {
  if (wanted === undefined || wanted === null) return
  const { rowCount } = await db.query(
    'select 1 from clients where (external_id = $1 or id = $2) and id <> $3 limit 1',
    [wanted, isUuid(wanted) ? wanted : null, id],
  )
  if (rowCount === 0) return
  const message = 'names another client already: two must not have the same'
  throw new Refusal('conflict', { details: [{ path: 'externalId', code: 'conflict', message }] })
}

/** What waits for a client of these external ids is looked at again. */
async function noteExternalIds(
  { wakes }: Deps,
  { db, afterCommit }: Pick<ApiCall, 'db' | 'afterCommit'>,
  ids: readonly (string | null | undefined)[],
): Promise<void> {
  const names = ids.filter((one) => one !== null && one !== undefined)
  const woken = await noteNewNames(db, [...new Set(names)])
  afterCommit(() => {
    for (const clientId of woken) wakes.route(clientId)
  })
}
