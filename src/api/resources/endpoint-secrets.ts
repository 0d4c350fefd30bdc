import { z } from 'zod'
import { contractNamed } from '../../contracts/contract.ts'
import type { Queryable } from '../../database/db.ts'
import { ENDPOINT_CHANGED } from '../../database/endpoint-version.ts'
import { firstRow } from '../../database/rows.ts'
import { Refusal } from '../../errors.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
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
  secret: z
    .string()
    .nullable()
    .meta({ description: 'null for an `ed25519` signature, whose private key never leaves the gateway.' }),
  publicKey: z
    .string()
    .nullable()
    .meta({ description: '`whpk_` and base64; null for an `hmac` signature, whose secret both sides hold.' }),
}
const EndpointSecret = z
  .strictObject({
    ...secretFields,
    previous: z
      .array(z.strictObject({ ...secretFields, until: replyTime }))
      .meta({ description: 'Older secrets that also sign until their grace period ends, newest first.' }),
  })
  .meta({
    id: 'EndpointSecret',
    description: 'What a receiver verifies signatures with: the newest secret, and older ones that still sign.',
  })

const gracePeriodSeconds = z
  .number()
  .int()
  .min(0)
  .max(604_800)
  .default(86_400)
  .meta({ description: 'How long the old secret also signs, beside the new one.' })

const rotationBody = z.strictObject({
  gracePeriodSeconds,
  revokePrevious: z
    .boolean()
    .default(false)
    .meta({ description: 'Ends secrets at once whose grace period is still running.' }),
  signature: signature.optional().meta({ description: 'The kind of the new signature; default: the same kind.' }),
  secret: customSecret.optional(),
})

/** /v1/endpoints/{id}/secret. Reading it needs the scope `write`, since whoever has the secret can sign like the gateway. */
export const endpointSecretRoutes = ({
  keyRing,
  contracts,
  now,
  wakes,
}: Pick<ApiDeps, 'keyRing' | 'contracts' | 'now' | 'wakes'>): Route[] => [
  resourceRoute('GET /v1/endpoints/{id}/secret', {
    summary: 'Get the signing secret of an endpoint',
    scope: 'write',
    ids: { id: 'endpoint' },
    reply: EndpointSecret,
    async answerCall({ db, clientId, params }) {
      const { secrets } = await readSecrets(db, clientId, params.id)
      return { data: showSecrets(keyRing, secrets, now()) }
    },
  }),
  resourceRoute('POST /v1/endpoints/{id}/secret/rotate', {
    summary: 'Rotate the signing secret of an endpoint',
    description:
      'Deliveries are signed with the new and the old secret until the grace period ends; at most five secrets are live. The new one may be of the other kind; both kinds are then sent until the grace period ends.',
    ids: { id: 'endpoint' },
    body: rotationBody,
    reply: EndpointSecret,
    async answerCall({ db, clientId, params, body, afterCommit }) {
      const { contract, secrets } = await readSecrets(db, clientId, params.id, 'for update')
      const secret = makeSigningSecret(contractNamed(contracts, contract), {
        ...body,
        signature: body.signature ?? signatureKind(firstRow(secrets)),
      })
      const rotated = rotateSecrets(secrets, secret, { now: now(), keyRing, ...body })
      await db.query(`update endpoints set secrets = $3, ${ENDPOINT_CHANGED} where client_id = $1 and id = $2`, [
        clientId,
        params.id,
        JSON.stringify(rotated),
      ])
      afterCommit(() => wakes.deliver(clientId, [params.id]))
      return { data: showSecrets(keyRing, rotated, now()) }
    },
  }),
]

type Decrypting = Pick<KeyRing, 'decrypt'>

const showSecret = ({ decrypt }: Decrypting, stored: StoredSecret) => ({
  signature: signatureKind(stored),
  secret: stored.publicKey === undefined ? decrypt(stored.secret) : null,
  publicKey: stored.publicKey ?? null,
})

/** The live secrets as a reply shows them. */
function showSecrets(keyRing: Decrypting, secrets: readonly StoredSecret[], now: Date) {
  const live = liveSecrets(secrets, now)
  return {
    ...showSecret(keyRing, firstRow(live)),
    previous: live.slice(1).map((stored) => ({ ...showSecret(keyRing, stored), until: stored.until })),
  }
}

async function readSecrets(db: Queryable, clientId: string, id: string, lock: '' | 'for update' = '') {
  const { rows } = await db.query<{ contract: string; secrets: StoredSecret[] }>(
    `select contract, secrets from endpoints where client_id = $1 and id = $2 and deleted_at is null ${lock}`,
    [clientId, id],
  )
  if (!rows[0]) throw new Refusal('not_found')
  return rows[0]
}
