import { setTimeout as delay } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Log } from '../log.ts'
import type { Watch } from '../watch.ts'
import { forget } from './alarms.ts'
import { backlogNews } from './backlog.ts'
import { disabledOfLate, endpointNews } from './endpoints.ts'
import { failureEar, failureNews, failuresOfLate, QUIET_SECONDS } from './failures.ts'
import { forgetTold, untold } from './news.ts'
import { signatureEar, signatureNews, signatureRecovered } from './signatures.ts'
import { type Finding, type Deps as TellDeps, tell } from './tell.ts'

interface Deps extends TellDeps {
  log: Log
  now: () => Date
  /** How many lanes each client has. */
  lanes: number
  backlogSeconds: number
  /** Hears of each event that was told. */
  told: (type: string) => void
}

/** What cannot be told at once is tried again; a database that is away for longer costs the news, which the log has. */
const PAUSES_MS = [500, 2_000, 8_000]
/** What waits to be told at most; and of one endpoint or source in an hour, should its state flutter. */
const MOST = { waiting: 1_000, perHour: 12 }

/**
 * The room that tells operators and developers what happens to endpoints, sources, mappings and backlogs, as events of the
 * contract operations.v1. One event for each change of state. `sweep` looks for what no room can tell: backlogs, and what
 * went untold because a process died. `stop` settles when all that was noticed is told.
 */
export function operationsTeller(deps: Deps) {
  const { db, log, now } = deps
  const recent = new LRUCache<string, number[]>({ max: 10_000 })
  let telling = Promise.resolve()
  let waiting = 0
  let stopping = false

  const tellOnce = async (finding: Finding) => {
    for (const pause of [...PAUSES_MS, null])
      try {
        const type = await tell(deps, finding)
        if (type) deps.told(type)
        return
      } catch (error) {
        if (pause === null || stopping) throw error
        await delay(pause)
      }
  }
  /** One after another: they are rare, and must not take connections from those who work. */
  const add = (finding: Finding, about: object) => {
    if (waiting >= MOST.waiting) return log.error(about, 'operations.not_told_too_many')
    waiting += 1
    telling = telling
      .then(() => tellOnce(finding))
      .catch((error) => log.error({ ...about, err: error }, 'operations.not_told'))
      .finally(() => {
        waiting -= 1
      })
  }
  const flutters = (name: string) => {
    const at = now().getTime()
    const told = (recent.get(name) ?? []).filter((one) => one > at - 3_600_000)
    if (told.length < MOST.perHour) recent.set(name, [...told, at])
    return told.length >= MOST.perHour
  }

  const answered = signatureEar({
    now,
    failing(source, refusals) {
      if (flutters(`signature ${source.id}`)) return
      add(signatureNews(source, refusals, now), { sourceId: source.id, what: 'signature_failing' })
    },
    recovered(source) {
      signatureRecovered(db, source).then(
        (first) => first && log.info({ sourceId: source.id }, 'source.signature_recovered'),
        (error) => log.error({ err: error, sourceId: source.id }, 'operations.not_recovered'),
      )
    },
  })
  const watch: Watch = {
    answered,
    changed(change) {
      const { what, endpointId } = change
      if (what === 'disabled' && flutters(`${what} ${endpointId}`)) return log.warn(change, 'operations.flutters')
      add(endpointNews(change, deps), change)
    },
    normalized: failureEar((clientId, failure) =>
      add(failureNews(clientId, failure, now), { clientId, what: 'mapping_failed', code: failure.code }),
    ),
  }
  return {
    watch,
    async sweep() {
      for (const change of [...(await disabledOfLate(db)), ...(await untold(db))])
        add(endpointNews(change, deps), change)
      for (const { clientId, ...failure } of await failuresOfLate(db)) add(failureNews(clientId, failure, now), failure)
      const { lanes, backlogSeconds: afterSeconds } = deps
      for (const finding of await backlogNews(db, { lanes, afterSeconds, now })) add(finding, { what: 'backlog' })
      await forget(db, 'mapping.failed', QUIET_SECONDS)
      await forgetTold(db)
    },
    async stop() {
      stopping = true
      await telling
    },
  }
}
