import { Logger } from 'graphile-worker'
import type { Log } from './log.ts'

// It tells of each job and each start; ours are wake-ups by the thousand.
const LEVEL = { error: 'error', warning: 'warn', info: 'debug', debug: 'trace' } as const

/** Graphile Worker's words in our log, one level quieter where they are no trouble. */
export const graphileLogger = (log: Log) =>
  new Logger(() => (level, message, meta) => log[LEVEL[level]]({ said: message, err: meta?.error }, 'graphile.said'))
