import { signatureOf } from '../../contracts/contract.ts'
import { FANOUT_ORIGIN } from '../../domain/ids.ts'
import type { Log } from '../../log.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import type { Attempted, Watch } from '../../watch.ts'
import { type Endpoint, liveSecrets } from '../endpoint/endpoint.ts'
import { excusedDelay, isExcused, nextDelay } from '../outcome.ts'
import type { Due } from '../queue/due-deliveries.ts'
import type { Answer } from './answer.ts'
import type { StoredEvent } from './event-bodies.ts'
import type { Made } from './record.ts'
import type { Post } from './send.ts'

interface Deps {
  keyRing: KeyRing
  log: Log
  now: () => Date
  random: () => number
  send: (post: Post) => Promise<Answer>
  watch?: Watch
}

/**
 * Makes one attempt: signs, sends, plans the next one. Settles when the answer is there, with what has to be recorded.
 * Rejects only by our own fault, a secret that cannot be decrypted say: then nothing was sent. `slow` is called when no
 * answer has come after half a second.
 */
export async function attempt(
  { keyRing, log, now, random, send, watch }: Deps,
  clientId: string,
  endpoint: Endpoint,
  due: Due,
  { body, sourceEventId }: StoredEvent,
  slow: () => void,
): Promise<Made> {
  const { contract } = endpoint
  const at = now()
  const number = due.attempts + 1
  const wireBody = contract.wireBody(due.id, body)
  const headers = contract.headers({
    deliveryId: due.id,
    eventType: due.eventType,
    attempt: number,
    wireBody,
    secrets: liveSecrets(endpoint, at, keyRing),
    at,
  })
  const answer = await send({
    origin: endpoint.origin,
    path: endpoint.path,
    headers: withOwn(headers, endpoint.headers),
    body: wireBody,
    timeoutMs: endpoint.timeoutMs,
    identity: endpoint.identity,
    slow,
  })
  const nextDelaySeconds = isExcused(answer.outcome)
    ? excusedDelay(due.excused, random)
    : nextDelay(endpoint.plan, number - due.excused, answer.outcome, random)
  const { kind, ...outcome } = answer.outcome
  log.info(
    {
      clientId,
      deliveryId: due.id,
      endpointId: endpoint.id,
      eventType: due.eventType,
      attempt: number,
      outcome: kind,
      ...outcome,
      cause: answer.cause,
      durationMs: answer.durationMs,
      nextDelaySeconds,
    },
    'delivery.attempted',
  )
  const isLast = nextDelaySeconds === null
  watch?.attempted?.({ ...toTell(clientId, endpoint, due, answer), sourceEventId, number, isLast })
  return { due, number, signature: signatureOf(contract, headers), answer, nextDelaySeconds }
}

type Told = Omit<Attempted, 'sourceEventId' | 'number' | 'isLast'>

const toTell = (clientId: string, { id, contract }: Endpoint, due: Due, { outcome, ...answer }: Answer): Told => ({
  clientId,
  endpointId: id,
  contract: contract.name,
  deliveryId: due.id,
  eventId: due.eventId,
  eventType: due.eventType,
  isFannedOut: due.origin === FANOUT_ORIGIN,
  startedAt: answer.startedAt.getTime(),
  durationMs: answer.durationMs,
  outcome: outcome.kind === 'unreachable' ? outcome.reason : outcome.kind,
  status: 'status' in outcome ? outcome.status : null,
})

// Header names are case-insensitive, and the contract's win.
function withOwn(headers: Record<string, string>, own: Readonly<Record<string, string>>): Record<string, string> {
  const names = Object.keys(own)
  if (names.length === 0) return headers
  const taken = new Set(Object.keys(headers).map((name) => name.toLowerCase()))
  for (const name of names) if (!taken.has(name.toLowerCase())) headers[name] = own[name]!
  return headers
}
