import type { Log } from '../log.ts'
import type { Watch } from '../watch.ts'

/** Deliveries that wait, for want of what is not the endpoints', once this has gone on for a minute. */
export interface OwnLack {
  /** `proxy`, or `gateway`: descriptors, memory, ports or a name server of this machine. */
  lacks: string
  since: Date
  lastAt: Date
}

const OWN_OUTCOMES = new Set(['proxy', 'gateway'])
const LASTING_MS = 60_000
/** Longer than a delivery waits for its next attempt (excusedDelay): without one for so long it is over. */
const OVER_MS = 120_000

/**
 * Notes in this process what attempts lack that is our own, and tells the log once when it lasts, and once when it is over. An
 * attempt that succeeds does not end it: where descriptors run out, some still find one.
 */
export function watchOwnLack({ log, now }: { log: Log; now: () => number }) {
  let lack: { lacks: string; since: number; lastAt: number; isTold: boolean } | null = null

  const endQuietOne = () => {
    if (!lack || now() - lack.lastAt < OVER_MS) return
    if (lack.isTold) log.info({ lacks: lack.lacks }, 'delivery.own_lack_over')
    lack = null
  }
  const isLasting = () => lack !== null && lack.lastAt - lack.since >= LASTING_MS
  const watch: Watch = {
    onAttemptEnded({ outcome }) {
      endQuietOne()
      if (!OWN_OUTCOMES.has(outcome)) return
      const at = now()
      lack = { since: at, isTold: false, ...lack, lacks: outcome, lastAt: at }
      if (!isLasting() || lack.isTold) return
      lack.isTold = true
      log.error({ lacks: outcome, since: new Date(lack.since) }, 'delivery.own_lack_lasts')
    },
  }
  return {
    watch,
    /** null: there is none that lasts. */
    readOwnLack(): OwnLack | null {
      endQuietOne()
      if (!lack || !isLasting()) return null
      const { lacks, since, lastAt } = lack
      return { lacks, since: new Date(since), lastAt: new Date(lastAt) }
    },
  }
}
