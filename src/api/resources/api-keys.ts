import { z } from 'zod'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { SCOPES } from '../http/caller.ts'
import { id, idReference, name, pageQuery, replyTime } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { adminRoute, type Route } from '../http/route.ts'
import { createApiKey } from './create-api-key.ts'

const ApiKey = z
  .strictObject({
    id,
    clientId: id.nullable().meta({ description: "null: an operator's key, for all clients." }),
    scopes: z.array(z.enum(SCOPES)),
    name: z.string().nullable(),
    createdAt: replyTime,
    revokedAt: replyTime.nullable(),
  })
  .meta({ id: 'ApiKey' })

const NewApiKey = ApiKey.extend({
  key: z
    .string()
    .meta({ description: 'The bearer token. It is shown only in this reply; the database stores a hash of it.' }),
}).meta({ id: 'NewApiKey' })

const ApiKeyBody = z
  .strictObject({
    clientId: idReference
      .optional()
      .meta({ description: "The client whose key it is; left out: an operator's key, with the scope `admin`." }),
    scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length).meta({
      description:
        "`read`: every GET within the key's own client; `write`: everything that changes something; `admin`: everything of every client.",
    }),
    name: name.nullable().optional(),
  })
  .refine(({ clientId, scopes }) => scopes.includes('admin') === (clientId === undefined), {
    path: ['scopes'],
    error: "must be read or write for a client's key, and include admin for an operator's key (without clientId)",
  })

/** /v1/api-keys, for operators. */
export const apiKeyRoutes = (deps: Pick<ApiDeps, 'keyRing'>): Route[] => [
  adminRoute('POST /v1/api-keys', {
    summary: 'Create an API key',
    body: ApiKeyBody,
    reply: NewApiKey,
    status: 201,
    async answerCall({ db, clientId, body }) {
      const { id, key } = await createApiKey(db, {
        clientId,
        scopes: [...new Set(body.scopes)],
        name: body.name ?? null,
      })
      const { rows } = await db.query(`select ${COLUMNS} from api_keys t where id = $1`, [id])
      return { data: { ...rows[0], key } }
    },
  }),
  adminRoute('GET /v1/api-keys', {
    summary: 'List API keys, including revoked ones',
    query: z.strictObject({ clientId: idReference.optional(), ...pageQuery }),
    reply: ApiKey,
    isList: true,
    answerCall: (call) =>
      readPage(deps, call, {
        list: 'api-keys',
        columns: COLUMNS,
        table: 'api_keys',
        isOwned: false,
        filters: { clientId: ['t.client_id = ?', call.clientId ?? undefined] },
        keys: [['t.id', 'text']],
      }),
  }),
  adminRoute('GET /v1/api-keys/{id}', {
    summary: 'Get an API key (never its token)',
    ids: { id: 'apiKey' },
    reply: ApiKey,
    async answerCall({ db, params }) {
      const { rows } = await db.query(`select ${COLUMNS} from api_keys t where id = $1`, [params.id])
      return { data: rows[0] }
    },
  }),
  adminRoute('DELETE /v1/api-keys/{id}', {
    summary: 'Revoke an API key',
    description: 'The key is refused from the next request on.',
    ids: { id: 'apiKey' },
    reply: z.null(),
    status: 204,
    async answerCall({ db, caller, params }) {
      // Otherwise the last operator could lock everybody out.
      if (params.id === caller.keyId) throw new Refusal('key_in_use')
      await db.query(`update api_keys set revoked_at = now() where id = $1 and revoked_at is null`, [params.id])
      return { data: null }
    },
  }),
]

const COLUMNS = `t.id, t.client_id as "clientId", t.scopes, t.name, t.created_at as "createdAt", t.revoked_at as "revokedAt"`
