import type { Db } from '../../database/db.ts'
import { Refusal, refusalBody } from '../../errors.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import type { OpenDeletion } from './open-deletions.ts'

const PAGE = 200

/**
 * Replies that are kept for an Idempotency-Key and name what was deleted: the same request is answered `not_found` from here on, and
 * is not done again. Those of the client's keys, and of operators.
 */
export async function eraseReplies(
  { db, keyRing }: { db: Db; keyRing: KeyRing },
  { clientId, id, subjectId, looksFor }: OpenDeletion,
): Promise<void> {
  const names = [subjectId, ...(looksFor?.customers ?? []), looksFor?.clientUserId, looksFor?.email]
  const needles = names.filter((name) => typeof name === 'string').map((name) => JSON.stringify(name))
  const gone = keyRing.encrypt(JSON.stringify(refusalBody(new Refusal('not_found'), id)))
  for (let after: [string, string] = ['', '']; ; ) {
    const { rows } = await db.query<{ apiKeyId: string; key: string; reply: string }>(
      `select api_key_id as "apiKeyId", key, reply from idempotency_keys
        where (api_key_id, key) > ($2, $3) and reply is not null
          and not exists (select from api_keys k where k.id = api_key_id and k.client_id is distinct from $1 and k.client_id is not null)
        order by api_key_id, key limit ${PAGE}`,
      [clientId, ...after],
    )
    for (const { apiKeyId, key, reply } of rows) {
      const text = keyRing.decrypt(reply)
      if (!needles.some((needle) => text.includes(needle))) continue
      await db.query('update idempotency_keys set status = 404, reply = $3 where api_key_id = $1 and key = $2', [
        apiKeyId,
        key,
        gone,
      ])
    }
    const last = rows.at(-1)
    if (!last || rows.length < PAGE) return
    after = [last.apiKeyId, last.key]
  }
}
