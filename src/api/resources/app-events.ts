import { z } from 'zod'
import type { AppEvent, StoredAppEvent } from '../../domain/app-events.ts'
import { appSourceId, originOf } from '../../domain/event-origin.ts'
import { idOfWords, isUuid, newId } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { type IntakeClaim, idempotencyKeyClaimer } from '../http/intake-idempotency.ts'
import { type ApiCall, type Route, resourceRoute } from '../http/route.ts'
import { appEventBodies, type GivenAppEvent } from './app-event-schema.ts'
import { SourceEvent } from './source-events.ts'
import { userNameLoader } from './user-name-loader.ts'

const MIB = 1024 * 1024

/** /v1/app-events: what the provider's own application tells, in at the same door as what Stripe tells. */
export function appEventRoutes(deps: Pick<ApiDeps, 'db' | 'now' | 'storeAppEvents'>): Route[] {
  const { now, storeAppEvents: keepAppEvents } = deps
  const { single, batch } = appEventBodies(now)
  const claimKey = idempotencyKeyClaimer(deps)
  const loadUserNames = userNameLoader(deps.db)

  /** Everything is checked before anything is stored, and all is stored or nothing. */
  const takeIn = async (
    { clientId, idempotency: once }: Pick<ApiCall, 'clientId' | 'idempotency'>,
    given: readonly GivenAppEvent[],
    path = '',
  ) => {
    const ids = given.flatMap(({ userId }) => (userId !== undefined && isUuid(userId) ? [userId.toLowerCase()] : []))
    const names = ids.length > 0 ? await loadUserNames({ clientId, ids }) : new Map<string, string | null>()
    assertKnownUsers(given, names, path)
    const claimed = once && (await claimKey(once))
    const at = claimed?.at ?? now()
    const events = given.map((one, index) => appEventOf(one, names, { id: appEventId(claimed, index), at }))
    const kept = await keepAppEvents(clientId, events)
    return {
      rows: events.map((event, index) => sourceEventReply(clientId, event, kept[index]!)),
      replayed: kept.every(({ duplicate }) => duplicate),
    }
  }

  return [
    resourceRoute('POST /v1/app-events', {
      summary: 'Publish an event of your application',
      description:
        'Answers once the event is committed, as it was taken in: what becomes of it is told by the source event. No rate limit; 1 MiB at most.',
      body: single,
      reply: SourceEvent,
      status: 202,
      intake: { maxBytes: MIB },
      async answerCall(call) {
        const { rows, replayed } = await takeIn(call, [call.body])
        return { data: rows[0], isReplayed: replayed }
      },
    }),
    resourceRoute('POST /v1/app-events/batch', {
      summary: 'Publish up to 1,000 events of your application',
      description: 'All of them or, where one is refused, none; in the order given. No rate limit; 8 MiB at most.',
      body: batch,
      reply: z
        .strictObject({ accepted: z.number().int(), sourceEvents: z.array(SourceEvent) })
        .meta({ id: 'AppEventsAccepted' }),
      status: 202,
      intake: { maxBytes: 8 * MIB },
      async answerCall(call) {
        const { rows, replayed } = await takeIn(call, call.body.events, 'events.')
        return { data: { accepted: rows.length, sourceEvents: rows }, isReplayed: replayed }
      },
    }),
  ]
}

const appEventId = (claim: IntakeClaim | null, index: number): string =>
  claim ? idOfWords('app_event', claim.id, String(index)) : newId()

function assertKnownUsers(given: readonly GivenAppEvent[], names: ReadonlyMap<string, string | null>, path: string) {
  const details = given.flatMap(({ userId }, index) =>
    userId === undefined || names.has(userId.toLowerCase())
      ? []
      : [
          {
            path: `${path && `${path}${index}.`}userId`,
            code: 'not_found',
            message: 'is no user of this client: give clientUserId for a new one',
          },
        ],
  )
  if (details.length > 0) throw new Refusal('invalid', { details })
}

function appEventOf(
  { type, userId, clientUserId, data, occurredAt }: GivenAppEvent,
  names: ReadonlyMap<string, string | null>,
  { id, at }: { id: string; at: Date },
): AppEvent {
  const known = userId?.toLowerCase() ?? null
  return {
    id,
    type,
    user: { id: known, clientUserId: clientUserId ?? (known === null ? null : (names.get(known) ?? null)) },
    data,
    occurredAt: occurredAt === undefined ? at : new Date(occurredAt),
  }
}

/** The source event as it was taken in; read from the database, the normaliser might have been at it. */
function sourceEventReply(
  clientId: string,
  { id: eventId, type, occurredAt }: AppEvent,
  { id, receivedAt }: StoredAppEvent,
) {
  const identity = { clientId, sourceId: appSourceId(clientId), eventId }
  return {
    id,
    ...identity,
    type,
    apiVersion: null,
    account: null,
    livemode: true,
    createdAt: occurredAt,
    receivedAt,
    state: 'received',
    reason: null,
    heldUntil: null,
    origin: originOf(identity),
  }
}
