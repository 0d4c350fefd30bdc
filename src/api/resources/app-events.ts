import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { firstRow } from '../../database/rows.ts'
import type { AppEvent, StoredAppEvent } from '../../domain/app-events.ts'
import { appSourceId, originOf } from '../../domain/event-origin.ts'
import { idOfWords, isUuid, newId } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { type IntakeClaim, idempotentIntake } from '../http/intake-idempotency.ts'
import { type ApiCall, type Route, resourceRoute } from '../http/route.ts'
import { appEventBodies, type GivenAppEvent } from './app-event-schema.ts'
import { PublishedEvent } from './source-events.ts'
import { userNameLoader } from './user-name-loader.ts'

const MIB = 1024 * 1024

const AppEventsAccepted = z
  .strictObject({ accepted: z.number().int(), sourceEvents: z.array(PublishedEvent) })
  .meta({ id: 'AppEventsAccepted' })

type UserNames = ReadonlyMap<string, string | null>

/** /v1/app-events: what the provider's own application publishes, processed like Stripe's events. */
export function appEventRoutes(
  deps: Pick<ApiDeps, 'db' | 'intakeDb' | 'now' | 'storeAppEvents' | 'workerId'>,
): Route[] {
  const { single, batch } = appEventBodies(deps.now)
  const { db, intakeDb = db } = deps
  const storeOnce = idempotentIntake({ db: intakeDb, workerId: () => deps.workerId?.() ?? null })
  const loadUserNames = userNameLoader(intakeDb)

  /** Checks everything before it stores anything, and stores all events or none. */
  const publishEvents = async (
    { clientId, idempotency }: Pick<ApiCall, 'clientId' | 'idempotency'>,
    given: readonly GivenAppEvent[],
    path = '',
  ) => {
    const ids = given.flatMap(({ userId }) => (userId !== undefined && isUuid(userId) ? [userId.toLowerCase()] : []))
    const names: UserNames = ids.length > 0 ? await loadUserNames({ clientId, ids }) : new Map()
    assertKnownUsers(given, names, path)
    const store = async (claim: IntakeClaim | null) => {
      const at = claim?.at ?? deps.now()
      const events = given.map((event, index) => appEventOf(event, names, { id: appEventId(claim, index), at }))
      return { events, stored: await deps.storeAppEvents(clientId, events) }
    }
    // All of a request is stored or none: its first event tells.
    const isStored = (claim: IntakeClaim) => isAppEventStored(intakeDb, clientId, appEventId(claim, 0))
    const { events, stored } = await (idempotency ? storeOnce(idempotency, { isStored, store }) : store(null))
    return {
      rows: events.map((event, index) => sourceEventReply(clientId, event, stored[index])),
      isReplayed: stored.every(({ duplicate }) => duplicate),
    }
  }

  return [
    resourceRoute('POST /v1/app-events', {
      summary: 'Publish an event of your application',
      description:
        'Answers after the commit, with the source event as it was stored; `GET /v1/source-events/{id}` shows what becomes of it. No rate limit; at most 1 MiB.',
      body: single,
      reply: PublishedEvent,
      status: 202,
      intake: { maxBytes: MIB },
      async answerCall(call) {
        const { rows, isReplayed } = await publishEvents(call, [call.body])
        return { data: firstRow(rows), isReplayed }
      },
    }),
    resourceRoute('POST /v1/app-events/batch', {
      summary: 'Publish up to 1,000 events of your application',
      description: 'Accepts all of them, in the given order, or none if one is refused. No rate limit; at most 8 MiB.',
      body: batch,
      reply: AppEventsAccepted,
      status: 202,
      intake: { maxBytes: 8 * MIB },
      async answerCall(call) {
        const { rows, isReplayed } = await publishEvents(call, call.body.events, 'events.')
        return { data: { accepted: rows.length, sourceEvents: rows }, isReplayed }
      },
    }),
  ]
}

const appEventId = (claim: IntakeClaim | null, index: number): string =>
  claim ? idOfWords('app_event', claim.id, String(index)) : newId()

async function isAppEventStored(db: Queryable, clientId: string, eventId: string): Promise<boolean> {
  const { rowCount } = await db.query(
    'select from source_events where client_id = $1 and event_id = $2 and source_id = $3 limit 1',
    [clientId, eventId, appSourceId(clientId)],
  )
  return rowCount !== 0
}

function assertKnownUsers(given: readonly GivenAppEvent[], names: UserNames, path: string) {
  const details = given.flatMap(({ userId }, index) =>
    userId === undefined || names.has(userId.toLowerCase())
      ? []
      : [
          {
            path: `${path && `${path}${index}.`}userId`,
            code: 'not_found',
            message: 'is not a user of this client: give clientUserId to create one',
          },
        ],
  )
  if (details.length > 0) throw new Refusal('invalid', { details })
}

function appEventOf(
  { type, userId, clientUserId, data, occurredAt }: GivenAppEvent,
  names: UserNames,
  { id, at }: { id: string; at: Date },
): AppEvent {
  const floId = userId?.toLowerCase() ?? null
  return {
    id,
    type,
    user: { id: floId, clientUserId: clientUserId ?? (floId === null ? null : (names.get(floId) ?? null)) },
    data,
    occurredAt: occurredAt === undefined ? at : new Date(occurredAt),
  }
}

/** The source event as it was stored. Read from the database, it might already be normalized. */
function sourceEventReply(clientId: string, event: AppEvent, stored: StoredAppEvent | undefined) {
  if (!stored) throw new Error(`The app event ${event.id} was not stored.`)
  const identity = { clientId, sourceId: appSourceId(clientId), eventId: event.id }
  return {
    id: stored.id,
    ...identity,
    type: event.type,
    apiVersion: null,
    account: null,
    livemode: true,
    createdAt: event.occurredAt,
    receivedAt: stored.receivedAt,
    state: 'received',
    reason: null,
    heldUntil: null,
    routedBy: null,
    origin: originOf(identity),
  }
}
