import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { newId } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { id, name, pageQuery, replyTime } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { adminRoute, type Route } from '../http/route.ts'
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

const Client = z
  .strictObject({ id, name: z.string(), isOperator, quotas, createdAt: replyTime })
  .meta({ id: 'Client', description: 'A tenant. Sources, endpoints, users and events belong to one.' })

const changedQuotas = quotas.partial().optional()

/** /v1/clients, for operators. */
export const clientRoutes = (deps: Pick<ApiDeps, 'keyRing'>): Route[] => [
  adminRoute('POST /v1/clients', {
    summary: 'Create a client',
    body: z.strictObject({ name, isOperator: isOperator.optional(), quotas: changedQuotas }),
    reply: Client,
    status: 201,
    async answerCall({ db, body }) {
      const id = newId()
      await db.query(
        `insert into clients (id, name, is_operator, max_endpoints, requests_per_second) values ($1, $2, $3, $4, $5)`,
        [id, body.name, body.isOperator ?? false, body.quotas?.endpoints, body.quotas?.requestsPerSecond],
      )
      return { data: await readClient(db, id) }
    },
  }),
  adminRoute('GET /v1/clients', {
    summary: 'List clients',
    query: z.strictObject(pageQuery),
    reply: Client,
    isList: true,
    answerCall: (call) => readPage(deps, call, { list: 'clients', columns: COLUMNS, table: 'clients', isOwned: false }),
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
    summary: 'Rename a client, change its quotas, or make it the client of the operator',
    ids: { id: 'client' },
    body: z.strictObject({ name: name.optional(), isOperator: isOperator.optional(), quotas: changedQuotas }),
    reply: Client,
    async answerCall({ db, params, body }) {
      const { endpoints, requestsPerSecond } = body.quotas ?? {}
      const set = updateSet(
        {
          name: body.name,
          is_operator: body.isOperator,
          max_endpoints: endpoints,
          requests_per_second: requestsPerSecond,
        },
        2,
      )
      if (set) await db.query(`update clients set ${set.sql} where id = $1`, [params.id, ...set.values])
      return { data: await readClient(db, params.id) }
    },
  }),
]

const COLUMNS = `t.id, t.name, t.is_operator as "isOperator", t.created_at as "createdAt",
  json_build_object('endpoints', t.max_endpoints, 'requestsPerSecond', t.requests_per_second) as quotas`

async function readClient(db: Queryable, id: string) {
  const { rows } = await db.query(`select ${COLUMNS} from clients t where id = $1`, [id])
  return rows[0]
}
