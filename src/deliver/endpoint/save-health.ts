import { type Db, inTransaction, isDatabaseAway } from '../../database/db.ts'
import { createRowInsert } from '../../database/insert-rows.ts'
import { splitUntilAlone } from '../../database/split-until-alone.ts'
import type { Log } from '../../log.ts'
import type { Watch } from '../../watch.ts'
import { type AddToBatch, createBatcher } from '../../workers/batcher.ts'
import { type AttemptNews, insertNews } from '../attempt-news.ts'
import type { Endpoint } from './endpoint.ts'
import type { EndpointHealth } from './health.ts'

/** An endpoint, and what its rate limit counts. */
export interface HealthSave {
  clientId: string
  endpoint: Endpoint
  starts: readonly number[]
}

const BATCH_MAX = 500
const SPACING_MS = 15

/**
 * Saves the health of endpoints, several in one statement, each as it is when the statement starts; then reports what has changed.
 * Their clients are of one group (src/database/client-groups.ts). Never rejects: what could not be saved is saved with the next call,
 * and at the latest when the endpoint's lease is released.
 */
export const createHealthSaver = (deps: { db: Db; log: Log; watch?: Watch }): AddToBatch<HealthSave, void> =>
  createBatcher(
    async (saves) => {
      const unsaved = latestSaves(saves)
        .filter(({ endpoint }) => endpoint.health.unsaved !== 'nothing')
        .map((save): UnsavedHealth => ({ ...save, news: save.endpoint.health.news.splice(0) }))
      for (const { endpoint } of unsaved) endpoint.health.unsaved = 'nothing'
      await saveAll(deps, unsaved)
      return saves.map(() => undefined)
    },
    { max: BATCH_MAX, spacingMs: SPACING_MS },
  )

/** What is to be saved, with the news that were taken from it. */
interface UnsavedHealth extends HealthSave {
  news: EndpointHealth['news']
}

async function saveAll({ db, log, watch }: { db: Db; log: Log; watch?: Watch }, unsaved: UnsavedHealth[]) {
  if (unsaved.length === 0) return
  const keepForLater = ({ endpoint: { health }, news }: UnsavedHealth) => {
    health.unsaved = 'change'
    health.news.unshift(...news)
  }
  try {
    await splitUntilAlone<UnsavedHealth, void>(unsaved, {
      async work(some) {
        const changes = some.flatMap(({ clientId, endpoint, news }) =>
          news.map((one) => newsOf(clientId, endpoint.id, one)),
        )
        const written = await writeHealth(db, some, changes)
        for (const change of changes) if (written.has(change.endpointId)) watch?.onEndpointChanged?.(change)
        for (const save of some) save.news = []
        return some.map(() => undefined)
      },
      isItemsFault: (error) => !isDatabaseAway(error),
      onAlone(save, error) {
        keepForLater(save)
        log.error({ err: error, clientId: save.clientId, endpointId: save.endpoint.id }, 'delivery.health_not_kept')
      },
    })
  } catch (error) {
    for (const save of unsaved) keepForLater(save)
    log.error({ err: error }, 'delivery.health_not_kept')
  }
}

/** Of each endpoint the last save of its latest version. */
function latestSaves(saves: HealthSave[]): HealthSave[] {
  const latest = new Map<string, HealthSave>()
  for (const save of saves)
    if (save.endpoint.version >= (latest.get(save.endpoint.id)?.endpoint.version ?? 0))
      latest.set(save.endpoint.id, save)
  return [...latest.values()]
}

const newsOf = (
  clientId: string,
  endpointId: string,
  { what, since }: EndpointHealth['news'][number],
): AttemptNews => ({
  clientId,
  endpointId,
  what,
  since: new Date(since),
})

/**
 * Saves the endpoints of which no later version was saved, with their news: the news of an older version is dropped. Answers the
 * ids of those written.
 */
const writeHealth = (db: Db, saves: readonly HealthSave[], news: AttemptNews[]): Promise<Set<string>> =>
  inTransaction(db, async (tx) => {
    const ordered = saves.toSorted((a, b) => (a.endpoint.id < b.endpoint.id ? -1 : 1))
    const rows = await insertRowsOfHealth(tx, ordered)
    const written = new Set(rows.map(({ id }) => id))
    await insertNews(
      tx,
      news.filter(({ endpointId }) => written.has(endpointId)),
    )
    return written
  })

const insertRowsOfHealth = createRowInsert<HealthSave, { id: string }>({
  name: 'deliver.health',
  table: 'endpoint_health as h',
  columns: {
    client_id: ({ clientId }) => clientId,
    endpoint_id: ({ endpoint }) => endpoint.id,
    version: ({ endpoint }) => endpoint.version,
    recent: ({ endpoint }) => JSON.stringify(endpoint.health.recent),
    latest: ({ endpoint }) => endpoint.health.latest,
    failing_since: ({ endpoint }) => dateOrNull(endpoint.health.failingSince),
    failures: ({ endpoint }) => endpoint.health.failures,
    opened_at: ({ endpoint }) => dateOrNull(endpoint.health.breaker?.since),
    probe_at: ({ endpoint }) => dateOrNull(endpoint.health.breaker?.probeAt),
    told: ({ endpoint }) => endpoint.health.isFailureReported,
    starts: ({ endpoint, starts }) => JSON.stringify(endpoint.rateLimit ? starts : []),
  },
  end: `on conflict (client_id, endpoint_id) do update
          set version = excluded.version, recent = excluded.recent, latest = excluded.latest, failing_since = excluded.failing_since,
              failures = excluded.failures, opened_at = excluded.opened_at, probe_at = excluded.probe_at,
              told = excluded.told, starts = excluded.starts
        where h.version <= excluded.version
        returning endpoint_id as id`,
})

const dateOrNull = (ms: number | null | undefined) => (ms == null ? null : new Date(ms))
