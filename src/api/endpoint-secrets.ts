import { z } from 'zod'
import type { Queryable } from '../db.ts'
import { Refusal } from '../errors.ts'
import { type Deps, type Route, route } from './route.ts'
import { type KeptSecret, live, rotated } from './secrets.ts'
import { time } from './words.ts'

const EndpointSecret = z
  .strictObject({
    secret: z.string().meta({ description: 'The newest: what a receiver should verify with.' }),
    previous: z
      .array(z.strictObject({ secret: z.string(), until: time }))
      .meta({ description: 'Older ones that sign too until their grace period ends, newest first.' }),
  })
  .meta({ id: 'EndpointSecret' })

const gracePeriodSeconds = z
  .number()
  .int()
  .min(0)
  .max(604_800)
  .default(86_400)
  .meta({ description: 'How long the old secret goes on signing beside the new one.' })

/** /v1/endpoints/{id}/secret: reading it needs `write`, since who holds it can sign as we do. */
export function endpointSecrets({
  keyRing,
  contracts,
  now,
  wakes,
}: Pick<Deps, 'keyRing' | 'contracts' | 'now' | 'wakes'>): Route[] {
  const shown = (secrets: KeptSecret[]) => {
    const [newest, ...previous] = live(secrets, now()).map(({ secret, until }) => ({
      secret: keyRing.decrypt(secret),
      until,
    }))
    return { secret: newest?.secret, previous }
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
        'Deliveries are signed with the new and the old secret until the grace period ends; five live at most.',
      ids: { id: 'endpoint' },
      body: z.strictObject({ gracePeriodSeconds }),
      reply: EndpointSecret,
      async run({ db, clientId, params, body, after }) {
        const { contract, secrets } = await secretsOf(db, clientId, params.id!, 'for update')
        const fresh = contracts[contract]!.newSecret()
        const kept = rotated(secrets, fresh, { now: now(), keyRing, ...body })
        await db.query(`update endpoints set secrets = $3 where client_id = $1 and id = $2`, [
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
