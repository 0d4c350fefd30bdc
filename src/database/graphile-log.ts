import { Logger } from 'graphile-worker'
import type { Log } from '../log.ts'

// Graphile Worker logs each job and each start; ours are thousands of wakes.
const LEVEL = { error: 'error', warning: 'warn', info: 'debug', debug: 'trace' } as const

/** Graphile Worker's messages in our log, one level lower than its own unless they report trouble. */
export const graphileLogger = (log: Log) =>
  new Logger(() => (level, message, meta) => log[LEVEL[level]]({ said: message, err: meta?.error }, 'graphile.said'))
