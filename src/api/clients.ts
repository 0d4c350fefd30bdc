import { z } from 'zod'
import { Refusal } from '../errors.ts'
import { newId } from '../ids.ts'
import { page } from './page.ts'
import { adminRoute, type Deps, type Route } from './route.ts'
import { id, name, pageQuery, time } from './words.ts'

const Client = z
  .strictObject({ id, name: z.string(), createdAt: time })
  .meta({ id: 'Client', description: 'A tenant: sources, endpoints, users and events belong to one.' })

const COLUMNS = `t.id, t.name, t.created_at as "createdAt"`

/** /v1/clients, for operators. */
export const clients = (deps: Pick<Deps, 'keyRing'>): Route[] => [
  adminRoute('POST /v1/clients', {
    summary: 'Make a client',
    body: z.strictObject({ name }),
    reply: Client,
    status: 201,
    async run({ db, body }) {
      const { rows } = await db.query(`insert into clients as t (id, name) values ($1, $2) returning ${COLUMNS}`, [
        newId(),
        body.name,
      ])
      return { data: rows[0] }
    },
  }),
  adminRoute('GET /v1/clients', {
    summary: 'List clients',
    query: z.strictObject(pageQuery),
    reply: Client,
    list: true,
    run: (call) => page(deps, call, { list: 'clients', columns: COLUMNS, from: 'clients t', owned: false }),
  }),
  adminRoute('GET /v1/clients/{id}', {
    summary: 'Get a client',
    ids: { id: 'client' },
    reply: Client,
    async run({ db, params }) {
      const { rows } = await db.query(`select ${COLUMNS} from clients t where id = $1`, [params.id])
      if (!rows[0]) throw new Refusal('not_found')
      return { data: rows[0] }
    },
  }),
  adminRoute('PATCH /v1/clients/{id}', {
    summary: 'Rename a client',
    ids: { id: 'client' },
    body: z.strictObject({ name: name.optional() }),
    reply: Client,
    async run({ db, params, body }) {
      const { rows } = await db.query(
        `update clients t set name = coalesce($2, name) where id = $1 returning ${COLUMNS}`,
        [params.id, body.name],
      )
      return { data: rows[0] }
    },
  }),
]
