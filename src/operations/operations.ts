import { setTimeout as delay } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Log } from '../log.ts'
import type { Watch } from '../watch.ts'
import { forgetAlarms } from './alarms.ts'
import { findBacklogs } from './backlog.ts'
import { type EmitDeps, emitOperationalEvent, type Finding } from './emit.ts'
import { createEndpointFinding, findRecentlyDisabled } from './endpoints.ts'
import { createFailureFinding, createFailureListener, findRecentFailures, QUIET_SECONDS } from './failures.ts'
import { forgetOldNews, listUnclaimedNews } from './news.ts'
import { createSignatureFinding, createSignatureListener, markSignatureRecovered } from './signatures.ts'
import { findStuckSourceEvents } from './stuck.ts'
import { createUnroutedFinding, createUnroutedListener, findRecentUnrouted, UNROUTED } from './unrouted.ts'

interface NotifierDeps extends EmitDeps {
  log: Log
  now: () => Date
  /** How many lanes each client has. */
  lanes: number
  backlogSeconds: number
  /** Called with the type of each event that was emitted. */
  onEmitted: (type: string) => void
}

/** Pauses between tries; when the database is away for longer, the event is lost and the log has it. */
const PAUSES_MS = [500, 2_000, 8_000]
/** How many findings wait at most, and how many are reported of one endpoint or source in an hour when its state flutters. */
const LIMITS = { queued: 1_000, perHour: 12 }

/**
 * Reports to operators and developers what happens to endpoints, sources, mappings and backlogs, as events of the contract
 * operations.v1: one for each change of state. `sweep` finds what no room can report: backlogs, and what was left unreported by a
 * process that died. `stop` settles when all that was noticed is reported.
 */
export function createOperationsNotifier(deps: NotifierDeps) {
  const { db, log, now } = deps
  const recent = new LRUCache<string, number[]>({ max: 10_000 })
  let emitting = Promise.resolve()
  let queued = 0
  let isStopping = false

  const emitWithRetries = async (finding: Finding) => {
    for (const pauseMs of [...PAUSES_MS, null])
      try {
        const type = await emitOperationalEvent(deps, finding)
        if (type) deps.onEmitted(type)
        return
      } catch (error) {
        if (pauseMs === null || isStopping) throw error
        await delay(pauseMs)
      }
  }
  /** One after another: they are rare, and must not take connections from the rooms. */
  const enqueue = (finding: Finding, about: object) => {
    if (queued >= LIMITS.queued) return log.error(about, 'operations.not_told_too_many')
    queued += 1
    emitting = emitting
      .then(() => emitWithRetries(finding))
      .catch((error) => log.error({ ...about, err: error }, 'operations.not_told'))
      .finally(() => {
        queued -= 1
      })
  }
  const isFluttering = (name: string) => {
    const at = now().getTime()
    const recentTimes = (recent.get(name) ?? []).filter((one) => one > at - 3_600_000)
    if (recentTimes.length < LIMITS.perHour) recent.set(name, [...recentTimes, at])
    return recentTimes.length >= LIMITS.perHour
  }

  const answered = createSignatureListener({
    now,
    onFailing(source, refusals) {
      if (isFluttering(`signature ${source.id}`)) return
      enqueue(createSignatureFinding(source, refusals, now), { sourceId: source.id, what: 'signature_failing' })
    },
    onRecovered(source) {
      markSignatureRecovered(db, source).then(
        (first) => first && log.info({ sourceId: source.id }, 'source.signature_recovered'),
        (error) => log.error({ err: error, sourceId: source.id }, 'operations.not_recovered'),
      )
    },
  })
  const watch: Watch = {
    onWebhookAnswered: answered,
    onEndpointChanged(change) {
      const { what, endpointId } = change
      if (what === 'disabled' && isFluttering(`${what} ${endpointId}`)) return log.warn(change, 'operations.flutters')
      enqueue(createEndpointFinding(change, deps), change)
    },
    onBatchNormalized: createFailureListener((clientId, failure) =>
      enqueue(createFailureFinding(clientId, failure, now), { clientId, what: 'mapping_failed', code: failure.code }),
    ),
    onEventsRouted: createUnroutedListener((failure) =>
      enqueue(createUnroutedFinding(failure, now), { ...failure, what: 'unrouted' }),
    ),
  }
  return {
    watch,
    async sweep() {
      for (const change of [...(await findRecentlyDisabled(db)), ...(await listUnclaimedNews(db))])
        enqueue(createEndpointFinding(change, deps), change)
      for (const { clientId, ...failure } of await findRecentFailures(db))
        enqueue(createFailureFinding(clientId, failure, now), failure)
      for (const failure of await findRecentUnrouted(db)) enqueue(createUnroutedFinding(failure, now), failure)
      const { lanes, backlogSeconds: afterSeconds } = deps
      for (const finding of await findBacklogs(db, { lanes, afterSeconds, now })) enqueue(finding, { what: 'backlog' })
      for (const finding of await findStuckSourceEvents(db, { lanes, now }))
        enqueue(finding, { what: 'source_event_stuck' })
      for (const type of ['mapping.failed', UNROUTED]) await forgetAlarms(db, type, QUIET_SECONDS)
      await forgetOldNews(db)
    },
    async stop() {
      isStopping = true
      await emitting
    },
  }
}
