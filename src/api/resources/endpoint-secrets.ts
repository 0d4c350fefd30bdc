import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { ENDPOINT_CHANGED } from '../../database/endpoint-version.ts'
import { Refusal } from '../../errors.ts'
import { time } from '../http/field-schemas.ts'
import { type Deps, type Route, route } from '../http/route.ts'
import { customSecret, type KeptSecret, kindOf, live, newSecret, rotated, signature } from './signing-secrets.ts'

const one = {
  signature,
  secret: z.string().nullable().meta({ description: 'null: a private key, which never leaves the gateway.' }),
  publicKey: z.string().nullable().meta({ description: '`whpk_` and base64; null: a secret that both sides hold.' }),
}
const EndpointSecret = z
  .strictObject({
    ...one,
    previous: z
      .array(z.strictObject({ ...one, until: time }))
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

const rotation = z.strictObject({
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
export function endpointSecrets({
  keyRing,
  contracts,
  now,
  wakes,
}: Pick<Deps, 'keyRing' | 'contracts' | 'now' | 'wakes'>): Route[] {
  const shownOne = (kept: KeptSecret) => ({
    signature: kindOf(kept),
    secret: kept.publicKey === undefined ? keyRing.decrypt(kept.secret) : null,
    publicKey: kept.publicKey ?? null,
  })
  const shown = (secrets: readonly KeptSecret[]) => {
    const [newest, ...previous] = live(secrets, now())
    return { ...shownOne(newest!), previous: previous.map((kept) => ({ ...shownOne(kept), until: kept.until })) }
  }

  return [
    route('GET /v1/endpoints/{id}/secret', {
      summary: 'Read the signing secret',
      scope: 'write',
      ids: { id: 'endpoint' },
      reply: EndpointSecret,
      run: async ({ db, clientId, params }) => ({ data: shown((await secretsOf(db, clientId, params.id!)).secrets) }),
    }),
    route('POST /v1/endpoints/{id}/secret/rotate', {
      summary: 'Rotate the signing secret',
      description:
        'Deliveries are signed with the new and the old secret until the grace period ends; five live at most. The new one may be of another kind: until then both kinds are sent.',
      ids: { id: 'endpoint' },
      body: rotation,
      reply: EndpointSecret,
      async run({ db, clientId, params, body, after }) {
        const { contract, secrets } = await secretsOf(db, clientId, params.id!, 'for update')
        const fresh = newSecret(contracts[contract]!, { ...body, signature: body.signature ?? kindOf(secrets[0]!) })
        const kept = rotated(secrets, fresh, { now: now(), keyRing, ...body })
        await db.query(`update endpoints set secrets = $3, ${ENDPOINT_CHANGED} where client_id = $1 and id = $2`, [
          clientId,
          params.id,
          JSON.stringify(kept),
        ])
        after(() => wakes.deliver(clientId, [params.id!]))
        return { data: shown(kept) }
      },
    }),
  ]
}

async function secretsOf(db: Queryable, clientId: string, id: string, lock: '' | 'for update' = '') {
  const { rows } = await db.query<{ contract: string; secrets: KeptSecret[] }>(
    `select contract, secrets from endpoints where client_id = $1 and id = $2 and deleted_at is null ${lock}`,
    [clientId, id],
  )
  if (!rows[0]) throw new Refusal('not_found')
  return rows[0]
}
