import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { ENDPOINT_CHANGED } from '../../database/endpoint-version.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { replyTime } from '../http/field-schemas.ts'
import { type Route, resourceRoute } from '../http/route.ts'
import {
  customSecret,
  liveSecrets,
  makeSigningSecret,
  rotateSecrets,
  type StoredSecret,
  signature,
  signatureKind,
} from './signing-secrets.ts'

const secretFields = {
  signature,
  secret: z.string().nullable().meta({ description: 'null: a private key, which never leaves the gateway.' }),
  publicKey: z.string().nullable().meta({ description: '`whpk_` and base64; null: a secret that both sides hold.' }),
}
const EndpointSecret = z
  .strictObject({
    ...secretFields,
    previous: z
      .array(z.strictObject({ ...secretFields, until: replyTime }))
      .meta({ description: 'Older ones that sign too until their grace period ends, newest first.' }),
  })
  .meta({
    id: 'EndpointSecret',
    description: 'What a receiver verifies with: the newest, and what still signs beside it.',
  })

const gracePeriodSeconds = z
  .number()
  .int()
  .min(0)
  .max(604_800)
  .default(86_400)
  .meta({ description: 'How long the old secret goes on signing beside the new one.' })

const rotationBody = z.strictObject({
  gracePeriodSeconds,
  revokePrevious: z
    .boolean()
    .default(false)
    .meta({ description: 'Ends older secrets at once whose grace period still runs.' }),
  signature: signature
    .optional()
    .meta({ description: 'Another kind of signature from now on; left out: the same kind.' }),
  secret: customSecret.optional(),
})

/** /v1/endpoints/{id}/secret: reading it needs `write`, since who holds it can sign as we do. */
export function endpointSecretRoutes({
  keyRing,
  contracts,
  now,
  wakes,
}: Pick<ApiDeps, 'keyRing' | 'contracts' | 'now' | 'wakes'>): Route[] {
  const showSecret = (kept: StoredSecret) => ({
    signature: signatureKind(kept),
    secret: kept.publicKey === undefined ? keyRing.decrypt(kept.secret) : null,
    publicKey: kept.publicKey ?? null,
  })
  const showSecrets = (secrets: readonly StoredSecret[]) => {
    const [newest, ...previous] = liveSecrets(secrets, now())
    return { ...showSecret(newest!), previous: previous.map((kept) => ({ ...showSecret(kept), until: kept.until })) }
  }

  return [
    resourceRoute('GET /v1/endpoints/{id}/secret', {
      summary: 'Read the signing secret',
      scope: 'write',
      ids: { id: 'endpoint' },
      reply: EndpointSecret,
      answerCall: async ({ db, clientId, params }) => ({
        data: showSecrets((await readSecrets(db, clientId, params.id)).secrets),
      }),
    }),
    resourceRoute('POST /v1/endpoints/{id}/secret/rotate', {
      summary: 'Rotate the signing secret',
      description:
        'Deliveries are signed with the new and the old secret until the grace period ends; five live at most. The new one may be of another kind: until then both kinds are sent.',
      ids: { id: 'endpoint' },
      body: rotationBody,
      reply: EndpointSecret,
      async answerCall({ db, clientId, params, body, afterCommit }) {
        const { contract, secrets } = await readSecrets(db, clientId, params.id, 'for update')
        const fresh = makeSigningSecret(contracts[contract]!, {
          ...body,
          signature: body.signature ?? signatureKind(secrets[0]!),
        })
        const kept = rotateSecrets(secrets, fresh, { now: now(), keyRing, ...body })
        await db.query(`update endpoints set secrets = $3, ${ENDPOINT_CHANGED} where client_id = $1 and id = $2`, [
          clientId,
          params.id,
          JSON.stringify(kept),
        ])
        afterCommit(() => wakes.deliver(clientId, [params.id]))
        return { data: showSecrets(kept) }
      },
    }),
  ]
}

async function readSecrets(db: Queryable, clientId: string, id: string, lock: '' | 'for update' = '') {
  const { rows } = await db.query<{ contract: string; secrets: StoredSecret[] }>(
    `select contract, secrets from endpoints where client_id = $1 and id = $2 and deleted_at is null ${lock}`,
    [clientId, id],
  )
  if (!rows[0]) throw new Refusal('not_found')
  return rows[0]
}
