import { signatureOf } from '../../contracts/contract.ts'
import { FANOUT_ORIGIN } from '../../domain/ids.ts'
import type { Log } from '../../log.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import type { EndedAttempt, Watch } from '../../watch.ts'
import { excusedDelay, isExcused, nextDelay, outcomeColumns } from '../attempt-outcome.ts'
import { type Endpoint, liveSecrets } from '../endpoint/endpoint.ts'
import type { DueDelivery } from '../queue/due-deliveries.ts'
import type { AttemptAnswer } from './answer.ts'
import type { EventBody } from './event-bodies.ts'
import type { AttemptMade } from './record-attempts.ts'
import type { PostRequest } from './send-post.ts'

interface AttemptDeps {
  keyRing: KeyRing
  log: Log
  /** The database's clock, by which secrets end. */
  now: () => Date
  /** The clock of this machine, which signatures name: real time, as receivers judge it. */
  wallClock?: (() => Date) | undefined
  random: () => number
  sendPost: (post: PostRequest) => Promise<AttemptAnswer>
  watch?: Watch
}

interface AttemptInput {
  clientId: string
  endpoint: Endpoint
  delivery: DueDelivery
  event: EventBody
  /** Called when no answer has come after half a second. */
  onSlow: () => void
}

/**
 * Makes one attempt: signs, sends, plans the next one. Settles when the answer is there, with what has to be recorded.
 * Rejects only by our own fault, such as a secret that cannot be decrypted: then nothing was sent.
 */
export async function makeAttempt(
  { keyRing, log, now, wallClock = now, random, sendPost, watch }: AttemptDeps,
  { clientId, endpoint, delivery, event: { body, sourceEventId }, onSlow }: AttemptInput,
): Promise<AttemptMade> {
  const { contract } = endpoint
  const at = now()
  const number = delivery.attempts + 1
  const wireBody = contract.wireBody(delivery.id, body)
  const headers = contract.headers({
    deliveryId: delivery.id,
    eventType: delivery.eventType,
    attempt: number,
    wireBody,
    secrets: liveSecrets(endpoint, at, keyRing),
    at: wallClock(),
  })
  const answer = await sendPost({
    clientId,
    origin: endpoint.origin,
    path: endpoint.path,
    headers: addEndpointHeaders(headers, endpoint.headers),
    body: wireBody,
    timeoutMs: endpoint.timeoutMs,
    identity: endpoint.identity,
    onSlow,
  })
  const nextDelaySeconds = isExcused(answer.outcome)
    ? excusedDelay(delivery.excused, random)
    : nextDelay(endpoint.retryPlan, number - delivery.excused, answer.outcome, random)
  const { kind, ...outcome } = answer.outcome
  log[isExcused(answer.outcome) ? 'warn' : 'info'](
    {
      clientId,
      deliveryId: delivery.id,
      endpointId: endpoint.id,
      eventType: delivery.eventType,
      attempt: number,
      outcome: kind,
      ...outcome,
      cause: answer.cause,
      // The receiver may have got it twice, under this one number.
      ...(answer.wasSentAgain && { wasSentAgain: true }),
      durationMs: answer.durationMs,
      nextDelaySeconds,
    },
    'delivery.attempted',
  )
  const isLast = nextDelaySeconds === null
  watch?.onAttemptEnded?.({ ...attemptReport(clientId, endpoint, delivery, answer), sourceEventId, number, isLast })
  return { delivery, number, signature: signatureOf(contract, headers), answer, nextDelaySeconds }
}

type AttemptReport = Omit<EndedAttempt, 'sourceEventId' | 'number' | 'isLast'>

const attemptReport = (
  clientId: string,
  { id, contract }: Endpoint,
  delivery: DueDelivery,
  { outcome, ...answer }: AttemptAnswer,
): AttemptReport => ({
  clientId,
  endpointId: id,
  contract: contract.name,
  deliveryId: delivery.id,
  eventId: delivery.eventId,
  eventType: delivery.eventType,
  isFannedOut: delivery.origin === FANOUT_ORIGIN,
  startedAt: answer.startedAt.getTime(),
  durationMs: answer.durationMs,
  outcome: outcomeColumns(outcome).error ?? outcome.kind,
  status: outcomeColumns(outcome).status,
})

// Header names are case-insensitive. Where both name one, the contract's value is sent.
function addEndpointHeaders(
  headers: Record<string, string>,
  endpointHeaders: Readonly<Record<string, string>>,
): Record<string, string> {
  const added = Object.entries(endpointHeaders)
  if (added.length === 0) return headers
  const contractNames = new Set(Object.keys(headers).map((name) => name.toLowerCase()))
  for (const [name, value] of added) if (!contractNames.has(name.toLowerCase())) headers[name] = value
  return headers
}
