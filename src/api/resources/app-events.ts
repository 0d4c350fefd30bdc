import { z } from 'zod'
import type { AppEvent, StoredAppEvent } from '../../domain/app-events.ts'
import { appSourceId, originOf } from '../../domain/event-origin.ts'
import { idOfWords, isUuid, newId } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import { type Claim, claimer } from '../http/intake-idempotency.ts'
import { type Call, type Deps, type Route, route } from '../http/route.ts'
import { appEventBodies, type Given } from './app-event-schema.ts'
import { SourceEvent } from './source-events.ts'
import { userNames } from './user-name-loader.ts'

const MIB = 1024 * 1024

/** /v1/app-events: what the provider's own application tells, in at the same door as what Stripe tells. */
export function appEventRoutes(deps: Pick<Deps, 'db' | 'now' | 'keepAppEvents'>): Route[] {
  const { now, keepAppEvents } = deps
  const { single, batch } = appEventBodies(now)
  const claim = claimer(deps)
  const namesOf = userNames(deps.db)

  /** Everything is checked before anything is stored, and all is stored or nothing. */
  const taken = async ({ clientId, once }: Pick<Call, 'clientId' | 'once'>, given: readonly Given[], path = '') => {
    const ids = given.flatMap(({ userId }) => (userId !== undefined && isUuid(userId) ? [userId.toLowerCase()] : []))
    const names = ids.length > 0 ? await namesOf({ clientId, ids }) : new Map<string, string | null>()
    assertKnown(given, names, path)
    const claimed = once && (await claim(once))
    const at = claimed?.at ?? now()
    const events = given.map((one, index) => appEvent(one, names, { id: idOf(claimed, index), at }))
    const kept = await keepAppEvents(clientId, events)
    return {
      rows: events.map((event, index) => rowOf(clientId, event, kept[index]!)),
      replayed: kept.every(({ duplicate }) => duplicate),
    }
  }

  return [
    route('POST /v1/app-events', {
      summary: 'Publish an event of your application',
      description:
        'Answers once the event is committed, as it was taken in: what becomes of it is told by the source event. No rate limit; 1 MiB at most.',
      body: single,
      reply: SourceEvent,
      status: 202,
      intake: { maxBytes: MIB },
      async run(call) {
        const { rows, replayed } = await taken(call, [call.body])
        return { data: rows[0], replayed }
      },
    }),
    route('POST /v1/app-events/batch', {
      summary: 'Publish up to 1,000 events of your application',
      description: 'All of them or, where one is refused, none; in the order given. No rate limit; 8 MiB at most.',
      body: batch,
      reply: z
        .strictObject({ accepted: z.number().int(), sourceEvents: z.array(SourceEvent) })
        .meta({ id: 'AppEventsAccepted' }),
      status: 202,
      intake: { maxBytes: 8 * MIB },
      async run(call) {
        const { rows, replayed } = await taken(call, call.body.events, 'events.')
        return { data: { accepted: rows.length, sourceEvents: rows }, replayed }
      },
    }),
  ]
}

const idOf = (claim: Claim | null, index: number): string =>
  claim ? idOfWords('app_event', claim.id, String(index)) : newId()

function assertKnown(given: readonly Given[], names: ReadonlyMap<string, string | null>, path: string) {
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

function appEvent(
  { type, userId, clientUserId, data, occurredAt }: Given,
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
function rowOf(clientId: string, { id: eventId, type, occurredAt }: AppEvent, { id, receivedAt }: StoredAppEvent) {
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
