import { type Contract, signatureOf } from '../../contracts/contract.ts'
import { FANOUT_ORIGIN } from '../../domain/ids.ts'
import type { Log } from '../../log.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import type { EndedAttempt, Watch } from '../../watch.ts'
import { excusedDelay, isExcused, nextDelay, outcomeColumns } from '../attempt-outcome.ts'
import { type Endpoint, liveSecrets } from '../endpoint/endpoint.ts'
import type { DueDelivery } from '../queue/due-deliveries.ts'
import type { AttemptAnswer } from './answer.ts'
import type { AttemptMade } from './attempt-made.ts'
import type { EventBody } from './event-bodies.ts'
import { UnwritableError, unreachableOutcome } from './network-errors.ts'
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
  endpoint: Endpoint
  delivery: DueDelivery
  event: EventBody
  /** Called when no answer has come after half a second. */
  onSlow: () => void
}

/**
 * Makes one attempt: signs, sends, plans the next one. Settles when the answer is there, with what has to be recorded.
 * Rejects only by our own fault that is its endpoint's deliveries' alike, such as a secret that cannot be decrypted: then nothing was
 * sent.
 */
export async function makeAttempt(
  { keyRing, log, now, wallClock = now, random, sendPost, watch }: AttemptDeps,
  { endpoint, delivery, event: { body, sourceEventId }, onSlow }: AttemptInput,
): Promise<AttemptMade> {
  const { contract } = endpoint
  const { clientId } = delivery
  const at = now()
  const number = delivery.attempts + 1
  const secrets = liveSecrets(endpoint, at, keyRing)
  const request = writeRequest(contract, { delivery, body, number, secrets, at: wallClock() })
  const answer =
    request instanceof UnwritableError
      ? unwritableAnswer(request, at)
      : await sendPost({
          clientId,
          origin: endpoint.origin,
          path: endpoint.path,
          headers: addEndpointHeaders(request.headers, endpoint.headers),
          body: request.wireBody,
          timeoutMs: endpoint.timeoutMs,
          identity: endpoint.identity,
          onSlow,
        })
  const signature = request instanceof UnwritableError ? null : signatureOf(contract, request.headers)
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
  watch?.onAttemptEnded?.({ ...attemptReport(endpoint, delivery, answer), sourceEventId, number, isLast })
  return { delivery, number, signature, answer, nextDelaySeconds }
}

interface RequestParts {
  delivery: DueDelivery
  body: string
  number: number
  secrets: readonly string[]
  at: Date
}

/** A contract's body and headers of one attempt; an error where the contract cannot make them of what is stored. */
function writeRequest(
  contract: Contract,
  { delivery, body, number, secrets, at }: RequestParts,
): { wireBody: string; headers: Record<string, string> } | UnwritableError {
  try {
    const wireBody = contract.wireBody(delivery.id, body)
    const { id: deliveryId, eventType } = delivery
    return { wireBody, headers: contract.headers({ deliveryId, eventType, attempt: number, wireBody, secrets, at }) }
  } catch (error) {
    return new UnwritableError('the contract cannot make the request', { cause: error })
  }
}

/** Recorded as an attempt that used up nothing: the deliveries behind it go on, and it is tried again when we are mended. */
const unwritableAnswer = (error: UnwritableError, startedAt: Date): AttemptAnswer => ({
  headers: null,
  body: null,
  outcome: unreachableOutcome(error),
  cause: String(error.cause),
  startedAt,
  durationMs: 0,
})

type AttemptReport = Omit<EndedAttempt, 'sourceEventId' | 'number' | 'isLast'>

const attemptReport = (
  { id, contract }: Endpoint,
  delivery: DueDelivery,
  { outcome, ...answer }: AttemptAnswer,
): AttemptReport => ({
  clientId: delivery.clientId,
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
  const all = { ...headers }
  for (const [name, value] of added) if (!contractNames.has(name.toLowerCase())) all[name] = value
  return all
}
