import { setTimeout as delay } from 'node:timers/promises'
import type { Queryable } from '../database/db.ts'
import { Refusal } from '../errors.ts'
import { UsageError } from './command.ts'

// Shared by the commands that start work of a running gateway and follow it.

const POLL_MS = 300

/** Whether a live process works on this database: a lock that can be had belongs to a dead one. */
export async function hasLiveWorker(db: Queryable): Promise<boolean> {
  const { rows } = await db.query(
    `select from workers where 'work' = any(roles) and not pg_try_advisory_xact_lock(lock_key)`,
  )
  return rows.length > 0
}

/** Reads the progress until it is no longer `running`; on a terminal, one line is updated in place. */
export async function followUntilEnded<Progress extends { state: string }>(
  read: () => Promise<Progress>,
  line: (progress: Progress, width: number) => string,
): Promise<Progress & { state: Exclude<Progress['state'], 'running'> }> {
  const { isTTY, columns = 80 } = process.stderr
  for (;;) {
    const progress = await read()
    if (isTTY) process.stderr.write(`\r\u001b[K${line(progress, columns)}`)
    if (progress.state !== 'running') {
      if (isTTY) process.stderr.write('\n')
      return progress as Progress & { state: Exclude<Progress['state'], 'running'> }
    }
    await delay(POLL_MS)
  }
}

/** A refusal worded for the command line, any other error as it is. `names`: the options whose names differ from their fields. */
export function toUsageError(error: unknown, names: Readonly<Record<string, string>> = {}): unknown {
  if (!(error instanceof Refusal)) return error
  const { code, message, details } = error
  const words = details.map(({ path, message }) => {
    const [field = path] = path.split('.')
    return code === 'invalid' ? `--${names[field] ?? field} ${message}.` : `${field} ${message}.`
  })
  return new UsageError((code === 'invalid' ? words : [message, ...words]).join('\n'), { cause: error })
}

const BAR_WIDTH = 24

/** How far something is, from 0 to 1: `██████░░  75 %`. */
export function progressBar(share: number): string {
  const filled = Math.round(share * BAR_WIDTH)
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${String(Math.floor(share * 100)).padStart(3)} %`
}
