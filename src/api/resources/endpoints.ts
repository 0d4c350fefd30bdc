import { z } from 'zod'
import type { Contract } from '../../contracts/contract.ts'
import type { Queryable } from '../../database/db.ts'
import { ENDPOINT_CHANGED } from '../../database/endpoint-version.ts'
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
import { endWaiting } from './end-waiting.ts'
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

/** The endpoint as a reply shows it. Throws `not_found`: it may have been deleted since the router looked. */
export async function readEndpoint(
  { db, keyRing }: { db: Queryable; keyRing: Pick<KeyRing, 'decrypt'> },
  clientId: string,
  id: string,
) {
  const { rows } = await db.query(
    `select ${pinClient(ENDPOINT_COLUMNS, '$1::uuid')} from endpoints t where client_id = $1 and id = $2 and deleted_at is null`,
    [clientId, id],
  )
  if (!rows[0]) throw new Refusal('not_found')
  return showEndpoint(keyRing)(rows[0])
}

/** /v1/endpoints. Every change holds from the next attempt that starts after the reply. */
export function endpointRoutes(deps: Pick<ApiDeps, 'keyRing' | 'config' | 'contracts' | 'wakes' | 'now'>): Route[] {
  const { keyRing, config, contracts, wakes } = deps
  const contractNamed = (name: string): Contract => contracts[name]!

  return [
    resourceRoute('POST /v1/endpoints', {
      summary: 'Make an endpoint',
      description:
        'The reply holds the signing secret, or the public key; later they are read with `GET /v1/endpoints/{id}/secret`.',
      body: newEndpointBody(contracts),
      reply: endpointReply.extend({ secret: z.string().nullable() }).meta({ id: 'NewEndpoint' }),
      status: 201,
      async answerCall({ db, clientId, body }) {
        const contract = contractNamed(body.contract)
        checkEventTypes(contract, body.eventTypes)
        assertNoContractHeaders(contracts, body.headers)
        const url = await parseEndpointUrl(body.url, config)
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
            sealHeaders(keyRing, body.headers ?? {}),
            body.retrySchedule,
            body.timeoutSeconds,
            body.maxInFlight,
            body.rateLimit,
            JSON.stringify(firstSecrets(secret, keyRing)),
            tls,
            body.ordering,
          ],
        )
        return {
          data: {
            ...(await readEndpoint({ db, keyRing }, clientId, id)),
            secret: secret.publicKey ? null : secret.plain,
          },
        }
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
        return { data: data.map(showEndpoint(keyRing)), meta }
      },
    }),
    resourceRoute('GET /v1/endpoints/{id}', {
      summary: 'Get an endpoint',
      ids: { id: 'endpoint' },
      reply: endpointReply,
      answerCall: async ({ db, clientId, params }) => ({
        data: await readEndpoint({ db, keyRing }, clientId, params.id),
      }),
    }),
    resourceRoute('PATCH /v1/endpoints/{id}', {
      summary: 'Change an endpoint',
      description: '`metadata`, `headers` and `tls` are replaced as a whole.',
      ids: { id: 'endpoint' },
      body: changedEndpointBody,
      reply: endpointReply,
      async answerCall({ db, clientId, params, body, afterCommit }) {
        const before = await readEndpoint({ db, keyRing }, clientId, params.id)
        checkEventTypes(contractNamed(before.contract), body.eventTypes)
        assertNoContractHeaders(contracts, body.headers)
        const url = body.url === undefined ? undefined : await parseEndpointUrl(body.url, config)
        const tls = body.tls === undefined ? undefined : sealTls(body.tls, deps)
        assertTlsHasHttps(url ?? before.url, tls === undefined ? before.tls : tls)
        const set = updateSet(
          {
            url,
            event_types: body.eventTypes,
            description: body.description,
            metadata: body.metadata,
            ...(body.headers && { headers: {}, sealed_headers: sealHeaders(keyRing, body.headers) }),
            retry_schedule: body.retrySchedule,
            tls,
            timeout_seconds: body.timeoutSeconds,
            max_in_flight: body.maxInFlight,
            rate_limit: body.rateLimit,
            ordering: body.ordering,
          },
          3,
        )
        if (!set) return { data: before }
        await db.query(`update endpoints set ${set.sql}, ${ENDPOINT_CHANGED} where client_id = $1 and id = $2`, [
          clientId,
          params.id,
          ...set.values,
        ])
        if (url !== undefined && url !== before.url) await forgetHealth(db, clientId, params.id, { stillFailing: true })
        afterCommit(() => wakes.deliver(clientId, [params.id]))
        return { data: await readEndpoint({ db, keyRing }, clientId, params.id) }
      },
    }),
    resourceRoute('DELETE /v1/endpoints/{id}', {
      summary: 'Delete an endpoint',
      description: 'What was sent to it stays readable; deliveries that still wait for it are cancelled.',
      ids: { id: 'endpoint' },
      reply: z.null(),
      status: 204,
      async answerCall({ db, clientId, params, afterCommit }) {
        // Its secrets are of no more use, and so the least that can leak.
        await db.query(
          `update endpoints
              set deleted_at = now(), secrets = '[]', headers = '{}', sealed_headers = null, tls = null, ${ENDPOINT_CHANGED}
            where client_id = $1 and id = $2`,
          [clientId, params.id],
        )
        await endWaiting(db, clientId, params.id, { state: 'cancelled', reason: 'endpoint_deleted' })
        afterCommit(() => wakes.deliver(clientId, [params.id]))
        return { data: null }
      },
    }),
  ]
}

/** Throws `quota_exceeded` when the client has as many endpoints as it may have. Of several requests at once one counts first. */
async function assertWithinQuota(db: Queryable, clientId: string): Promise<void> {
  const { rows } = await db.query(
    'select max_endpoints as most from clients where id = $1 and max_endpoints is not null for no key update',
    [clientId],
  )
  if (!rows[0]) return
  const { rows: counted } = await db.query(
    'select count(*)::int as have from endpoints where client_id = $1 and deleted_at is null',
    [clientId],
  )
  if (counted[0].have >= rows[0].most)
    throw new Refusal('quota_exceeded', {
      message: `This client has ${counted[0].have} endpoints and may have ${rows[0].most}: delete one, or ask the operator for more.`,
    })
}
