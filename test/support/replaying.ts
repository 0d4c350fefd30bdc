import { afterAll } from 'vitest'
import { contracts } from '../../mappings/index.ts'
import { flo } from '../../src/contracts/flo.ts'
import { openClientGroups } from '../../src/database/client-groups.ts'
import { type Db, inTransaction } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import { newLog } from '../../src/log.ts'
import { cancelReplay } from '../../src/replay/cancel.ts'
import { previewReplay, type ReplayPreview } from '../../src/replay/preview.ts'
import { startReplayer } from '../../src/replay/replayer.ts'
import { type ReplayRequest, startReplay } from '../../src/replay/start.ts'
import { registerWorker } from '../../src/workers/worker.ts'
import { storedBody } from './delivering.ts'
import { eventually } from './eventually.ts'

/** The replaying room alone, as one process of several may run it; stopped after the file. `made` is told of new deliveries. */
export async function replaying(
  { url, db }: { url: string; db: Db },
  made: (clientId: string, endpointIds: string[]) => void = () => {},
) {
  const log = newLog('silent')
  const worker = await registerWorker({ url, db, log, roles: ['work'] })
  const room = startReplayer({
    db,
    log,
    worker,
    groups: await openClientGroups(db),
    now: () => new Date(),
    onReplayed: (clientId, endpointId) => made(clientId, [endpointId]),
    onLeasedElsewhere: () => {},
  })
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= room.stop().then(() => worker.stop())
    return stopped
  }
  afterAll(stop)
  return { ...room, worker, stop }
}

/** What the API does with replays, for one client. */
export function replaysOf(db: Db, clientId: string, room?: { wake(clientId: string): void }) {
  const deps = { contracts, now: () => new Date() }
  const read = async (id: string) =>
    (await db.query('select * from replays where client_id = $1 and id = $2', [clientId, id])).rows[0]
  const replays = {
    read,
    async start(asked: ReplayRequest): Promise<string> {
      const id = await inTransaction(db, (tx) => startReplay(deps, tx, clientId, asked))
      room?.wake(clientId)
      return id
    },
    preview: (asked: ReplayRequest, budgetMs?: number): Promise<ReplayPreview> =>
      inTransaction(db, (tx) =>
        previewReplay({ ...deps, ...(budgetMs !== undefined && { budgetMs }) }, tx, clientId, asked),
      ),
    cancel: (id: string) => inTransaction(db, (tx) => cancelReplay(tx, clientId, id)),
    ended: (id: string, { timeoutMs = 40_000 } = {}) =>
      eventually(async () => (await read(id)).state !== 'running' && (await read(id)), { timeoutMs }),
    /** Starts one, and answers its row when it has ended. */
    async done(asked: ReplayRequest) {
      return replays.ended(await replays.start(asked))
    },
    /** The deliveries that a replay has made, in the order of their ids. */
    async made(id: string) {
      const { rows } = await db.query(
        `select id, event_id as "eventId", endpoint_id as "endpointId", state, reason, attempts from deliveries
          where client_id = $1 and origin = $2 order by id`,
        [clientId, id],
      )
      return rows
    },
    /** The events that it has made deliveries of. */
    replayed: async (id: string): Promise<string[]> => (await replays.made(id)).map(({ eventId }) => eventId),
  }
  return replays
}

/** New events, in order, without any delivery. */
export async function newEvents(
  db: Db,
  clientId: string,
  { count = 1, eventType = 'subscription.created', contract = flo.name, sourceEventId = newId() } = {},
): Promise<string[]> {
  const ids = Array.from({ length: count }, newId)
  await db.query(
    `with bodies as (insert into event_bodies (client_id, event_id, body) select $1, id, $6 from unnest($2::uuid[]) id)
     insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
     select $1, id, $3, $4, $5, id::text, now() from unnest($2::uuid[]) id`,
    [clientId, ids, sourceEventId, contract, eventType, storedBody(eventType)],
  )
  return ids
}

/** A delivery in the state that is wanted, made and ended so many seconds ago. */
export async function newDeliveryIn(
  db: Db,
  { clientId, eventId, endpointId }: { clientId: string; eventId: string; endpointId: string },
  state: 'pending' | 'delivered' | 'failed' | 'skipped' | 'cancelled',
  { origin, secondsAgo = 60, attempts = 0 }: { origin?: string; secondsAgo?: number; attempts?: number } = {},
): Promise<string> {
  const id = newId()
  const waits = state === 'pending'
  await db.query(
    `insert into deliveries (client_id, event_id, id, endpoint_id, origin, event_type, state, attempts, next_attempt_at, finished_at)
     select $1, $2, $3, $4, coalesce($5::uuid, '00000000-0000-0000-0000-000000000000'), type, $6, $7,
            case when $8 then now() + interval '1 hour' end, case when not $8 then now() - make_interval(secs => $9) end
       from events where client_id = $1 and id = $2`,
    [clientId, eventId, id, endpointId, origin ?? null, state, attempts, waits, secondsAgo],
  )
  return id
}

/** Events as a normaliser leaves them, with all that the ledger asks for, and no delivery: nobody was there to take them. */
export async function newToldEvents(
  db: Db,
  {
    clientId,
    sourceId,
    count,
    eventType = 'subscription.created',
  }: { clientId: string; sourceId: string; count: number; eventType?: string },
): Promise<string[]> {
  const ids = Array.from({ length: count }, newId)
  await db.query(
    `with told as (select id from unnest($3::uuid[]) id),
          sent as (insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at, state, due_at)
                   select $1, id, $2, false, id::text, 'test', 0, now(), 'normalized', null from told),
          bodies as (insert into source_event_bodies (client_id, source_event_id, body) select $1, id, '{}' from told),
          emitted as (insert into emissions (client_id, contract, key, event_id) select $1, $4, id::text, id from told),
          made as (insert into event_bodies (client_id, event_id, body) select $1, id, $6 from told)
     insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
     select $1, id, id, $4, $5, id::text, now() from told`,
    [clientId, sourceId, ids, flo.name, eventType, storedBody(eventType)],
  )
  return ids
}
