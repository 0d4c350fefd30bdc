import type { Db } from '../database/db.ts'
import type { Routing } from '../domain/routing.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import { type AddToBatch, createBatcher } from '../workers/batcher.ts'

/** A source as the receiver needs it: whose events it sends, and what they are signed with, sealed by the key ring. */
export interface SigningSource {
  id: string
  clientId: string
  sealedSecrets: string[]
  /** Since when its signatures fail; null: they do not. */
  signatureFailingAt: Date | null
  /** How it routes its events to clients; null: they are all its client's. */
  routing?: Routing | null
}

/**
 * Loads sources by id, undefined for one that does not exist. The ids of requests that wait at the same time go into one
 * statement. Nothing is cached, so a secret that was removed before the request is not accepted.
 * Throws `unavailable` when the database does not answer.
 */
export const createSourceLoader = ({ db, log }: { db: Db; log: Log }): AddToBatch<string, SigningSource | undefined> =>
  createBatcher(
    async (ids) => {
      const found = await loadSources(db, [...new Set(ids)]).catch((cause) => {
        log.error({ err: cause, requests: ids.length }, 'receive.sources_unavailable')
        throw new Refusal('unavailable', { message: 'The sources cannot be read at present: send the event again.' })
      })
      return ids.map((id) => found.get(id))
    },
    { spacingMs: 4, crowdedSpacingMs: 8 },
  )

async function loadSources(db: Db, ids: string[]): Promise<Map<string, SigningSource>> {
  const { rows } = await db.query<SigningSource>({
    name: 'receive.sources',
    text: `select id, client_id as "clientId", signing_secrets as "sealedSecrets",
                  signature_failing_at as "signatureFailingAt", routing
             from sources where id = any($1::uuid[])`,
    values: [ids],
  })
  return new Map(rows.map((source) => [source.id, source]))
}
