import { z } from 'zod'
import { contractNamed } from '../../contracts/contract.ts'
import type { Queryable } from '../../database/db.ts'
import { endEndpointDeliveries } from '../../database/end-endpoint-deliveries.ts'
import { ENDPOINT_CHANGED } from '../../database/endpoint-version.ts'
import { firstRow } from '../../database/rows.ts'
import { checkEventTypes } from '../../domain/event-filter.ts'
import { newId } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import { sealHeaders } from '../../secrets/sealed-headers.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, pageQuery } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { pinClient } from '../http/page-sql.ts'
import { listRoute, type Route, resourceRoute } from '../http/route.ts'
import { updateSet } from '../http/update-set.ts'
import { assertNoContractHeaders } from './endpoint-headers.ts'
import { forgetHealth } from './endpoint-health.ts'
import {
  changedEndpointBody,
  ENDPOINT_COLUMNS,
  type EndpointRow,
  endpointReply,
  newEndpointBody,
  showEndpoint,
} from './endpoint-schema.ts'
import { assertTlsHasHttps, sealTls } from './endpoint-tls.ts'
import { parseEndpointUrl } from './endpoint-url.ts'
import { firstSecrets, makeSigningSecret } from './signing-secrets.ts'

const NewEndpoint = endpointReply.extend({ secret: z.string().nullable() }).meta({ id: 'NewEndpoint' })

type EndpointDeps = Pick<ApiDeps, 'keyRing' | 'config' | 'contracts' | 'wakes' | 'now' | 'names'>
type NewEndpointFields = z.infer<ReturnType<typeof newEndpointBody>>
type ChangedEndpointFields = z.infer<typeof changedEndpointBody>
type ShownEndpoint = Awaited<ReturnType<typeof readEndpoint>>

/** /v1/endpoints. A change applies to every attempt that starts after the reply. */
export const endpointRoutes = (deps: EndpointDeps): Route[] => [
  resourceRoute('POST /v1/endpoints', {
    summary: 'Create an endpoint',
    description:
      'The reply has the signing secret, or the public key; later they can be read with `GET /v1/endpoints/{id}/secret`.',
    body: newEndpointBody(deps.contracts),
    reply: NewEndpoint,
    status: 201,
    async answerCall({ db, clientId, body }) {
      const { id, secret } = await insertEndpoint(deps, db, clientId, body)
      const endpoint = await readEndpoint({ db, keyRing: deps.keyRing }, clientId, id)
      return { data: { ...endpoint, secret: secret.publicKey ? null : secret.plain } }
    },
  }),
  listRoute('GET /v1/endpoints', {
    summary: 'List endpoints',
    query: z.strictObject({ clientId, ...pageQuery }),
    reply: endpointReply,
    async answerCall(call) {
      const { data, meta } = await readPage<EndpointRow>(deps, call, {
        list: 'endpoints',
        columns: ENDPOINT_COLUMNS,
        table: 'endpoints',
        where: 't.deleted_at is null',
      })
      return { data: data.map((row) => showEndpoint(deps.keyRing, row)), meta }
    },
  }),
  resourceRoute('GET /v1/endpoints/{id}', {
    summary: 'Get an endpoint',
    ids: { id: 'endpoint' },
    reply: endpointReply,
    answerCall: async ({ db, clientId, params }) => ({
      data: await readEndpoint({ db, keyRing: deps.keyRing }, clientId, params.id),
    }),
  }),
  resourceRoute('PATCH /v1/endpoints/{id}', {
    summary: 'Change an endpoint',
    description: '`metadata`, `headers` and `tls` are replaced as a whole.',
    ids: { id: 'endpoint' },
    body: changedEndpointBody,
    reply: endpointReply,
    async answerCall({ db, clientId, params, body, afterCommit }) {
      const reader = { db, keyRing: deps.keyRing }
      const before = await readEndpoint(reader, clientId, params.id)
      if (!(await updateEndpoint(deps, db, before, body))) return { data: before }
      afterCommit(() => deps.wakes.deliver(clientId, [params.id]))
      return { data: await readEndpoint(reader, clientId, params.id) }
    },
  }),
  resourceRoute('DELETE /v1/endpoints/{id}', {
    summary: 'Delete an endpoint',
    description: 'What was sent to it stays readable; pending deliveries are cancelled.',
    ids: { id: 'endpoint' },
    reply: z.null(),
    status: 204,
    async answerCall({ db, clientId, params, afterCommit }) {
      // Its secrets are of no more use, and what is not stored cannot leak.
      await db.query(
        `update endpoints
            set deleted_at = now(), secrets = '[]', headers = '{}', sealed_headers = null, tls = null, ${ENDPOINT_CHANGED}
          where client_id = $1 and id = $2`,
        [clientId, params.id],
      )
      // The deliverer ends any that are left: more would hold their locks, and this request, for too long.
      await endEndpointDeliveries(db, clientId, params.id)
      afterCommit(() => deps.wakes.deliver(clientId, [params.id]))
      return { data: null }
    },
  }),
]

/** The endpoint as a reply shows it. Throws `not_found`: it may have been deleted since its id was checked. */
export async function readEndpoint(
  { db, keyRing }: { db: Queryable; keyRing: Pick<KeyRing, 'decrypt'> },
  clientId: string,
  id: string,
) {
  const { rows } = await db.query<EndpointRow>(
    `select ${pinClient(ENDPOINT_COLUMNS, '$1::uuid')} from endpoints t where client_id = $1 and id = $2 and deleted_at is null`,
    [clientId, id],
  )
  if (!rows[0]) throw new Refusal('not_found')
  return showEndpoint(keyRing, rows[0])
}

/** Checks and stores a new endpoint; returns its id and its signing secret. */
async function insertEndpoint(deps: EndpointDeps, db: Queryable, clientId: string, body: NewEndpointFields) {
  const contract = contractNamed(deps.contracts, body.contract)
  checkEventTypes(contract, body.eventTypes)
  assertNoContractHeaders(deps.contracts, body.headers)
  const url = await parseEndpointUrl(body.url, { ...deps, clientId, ...deps.config })
  const tls = sealTls(body.tls ?? null, deps)
  assertTlsHasHttps(url, tls)
  await assertWithinQuota(db, clientId)
  const id = newId()
  const secret = makeSigningSecret(contract, body)
  await db.query(
    `insert into endpoints (id, client_id, url, contract, event_types, description, metadata, sealed_headers,
                            retry_schedule, timeout_seconds, max_in_flight, rate_limit, secrets, tls, ordering)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, 15), coalesce($11, 10), $12, $13, $14,
             coalesce($15, 'none'))`,
    [
      id,
      clientId,
      url,
      body.contract,
      body.eventTypes,
      body.description,
      body.metadata ?? {},
      sealHeaders(deps.keyRing, body.headers ?? {}),
      body.retrySchedule,
      body.timeoutSeconds,
      body.maxInFlight,
      body.rateLimit,
      JSON.stringify(firstSecrets(secret, deps.keyRing)),
      tls,
      body.ordering,
    ],
  )
  return { id, secret }
}

/** Checks and stores what a request changes. Returns false when it changes nothing. */
async function updateEndpoint(
  deps: EndpointDeps,
  db: Queryable,
  before: ShownEndpoint,
  body: ChangedEndpointFields,
): Promise<boolean> {
  checkEventTypes(contractNamed(deps.contracts, before.contract), body.eventTypes)
  assertNoContractHeaders(deps.contracts, body.headers)
  const url =
    body.url === undefined
      ? undefined
      : await parseEndpointUrl(body.url, { ...deps, clientId: before.clientId, ...deps.config })
  const tls = body.tls === undefined ? undefined : sealTls(body.tls, deps)
  assertTlsHasHttps(url ?? before.url, tls === undefined ? before.tls : tls)
  const set = updateSet(
    {
      url,
      event_types: body.eventTypes,
      description: body.description,
      metadata: body.metadata,
      ...(body.headers && { headers: {}, sealed_headers: sealHeaders(deps.keyRing, body.headers) }),
      retry_schedule: body.retrySchedule,
      tls,
      timeout_seconds: body.timeoutSeconds,
      max_in_flight: body.maxInFlight,
      rate_limit: body.rateLimit,
      ordering: body.ordering,
    },
    3,
  )
  if (!set) return false
  await db.query(`update endpoints set ${set.sql}, ${ENDPOINT_CHANGED} where client_id = $1 and id = $2`, [
    before.clientId,
    before.id,
    ...set.values,
  ])
  if (url !== undefined && url !== before.url)
    await forgetHealth(db, before.clientId, before.id, { stillFailing: true })
  return true
}

/** Throws `quota_exceeded` when the client has as many endpoints as it may have. The lock lets requests count one by one. */
async function assertWithinQuota(db: Queryable, clientId: string): Promise<void> {
  const { rows: limited } = await db.query<{ max: number }>(
    'select max_endpoints as max from clients where id = $1 and max_endpoints is not null for no key update',
    [clientId],
  )
  if (!limited[0]) return
  const { max } = limited[0]
  const { rows } = await db.query<{ count: number }>(
    'select count(*)::int as count from endpoints where client_id = $1 and deleted_at is null',
    [clientId],
  )
  const { count } = firstRow(rows)
  if (count >= max)
    throw new Refusal('quota_exceeded', {
      message: `This client has ${count} endpoints and may have ${max}: delete one, or ask the operator for more.`,
    })
}
