import { LRUCache } from 'lru-cache'
import type { Queryable } from '../database/db.ts'
import type { AnsweredWebhook } from '../watch.ts'
import type { Finding } from './emit.ts'

/** How many webhooks in a row, within which time, are refused before the signatures of a source count as failing. */
const FAILING = { refusals: 10, withinMs: 600_000 }
const SOURCES_MAX = 10_000

const SIGNATURE_CODES = new Set<string | null>([
  'signature_missing',
  'signature_malformed',
  'signature_invalid',
  'timestamp_out_of_tolerance',
])

/**
 * Listens to every webhook. Calls `onFailing` when the signatures of a source have failed often enough without a right one, and
 * `onRecovered` with the first that is right again. A source that is known to fail is not reported again.
 */
export function createSignatureListener({
  now,
  onFailing,
  onRecovered,
}: {
  now: () => Date
  onFailing: (source: { id: string; clientId: string }, refusals: SignatureRefusals) => void
  onRecovered: (source: { id: string; clientId: string }) => void
}) {
  const refused = new LRUCache<string, { count: number; since: Date }>({ max: SOURCES_MAX })
  return ({ source, code }: AnsweredWebhook) => {
    if (!source) return
    const { id, clientId, signatureFailingAt } = source
    if (code !== null && SIGNATURE_CODES.has(code)) {
      const at = now()
      const before = refused.get(id)
      const isFirst = !before || at.getTime() - before.since.getTime() > FAILING.withinMs
      const { count, since } = isFirst ? { count: 1, since: at } : { ...before, count: before.count + 1 }
      refused.set(id, { count, since })
      if (count < FAILING.refusals || signatureFailingAt) return
      refused.delete(id)
      onFailing({ id, clientId }, { count, since, code })
    } else if (code === null) {
      refused.delete(id)
      if (signatureFailingAt) onRecovered({ id, clientId })
    }
  }
}

export interface SignatureRefusals {
  count: number
  since: Date
  code: string
}

/** The signatures of a source fail: the first of several processes that notice marks it and reports it. */
export const createSignatureFinding =
  (
    { id, clientId }: { id: string; clientId: string },
    { since, ...refusals }: SignatureRefusals,
    now: () => Date,
  ): Finding =>
  async (tx) => {
    const { rows } = await tx.query<{ name: string | null }>(
      `update sources set signature_failing_at = $3
        where client_id = $1 and id = $2 and signature_failing_at is null returning name`,
      [clientId, id, since],
    )
    if (!rows[0]) return null
    return {
      type: 'source.signature_failing',
      clientId,
      key: `source.signature_failing ${id} ${since.toISOString()}`,
      occurredAt: now(),
      about: { source: { id, name: rows[0].name }, refusals: { ...refusals, since: since.toISOString() } },
    }
  }

/** Marks that a webhook of the source was right again. Returns whether this was the first. */
export async function markSignatureRecovered(
  db: Queryable,
  { id, clientId }: { id: string; clientId: string },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update sources set signature_failing_at = null
      where client_id = $1 and id = $2 and signature_failing_at is not null`,
    [clientId, id],
  )
  return rowCount === 1
}
