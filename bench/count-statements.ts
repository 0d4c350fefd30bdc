import { openSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

// Loaded by `--import` into every process of a gateway under measure: counts the statements that it sends and writes the number into a
// file of its own.
const EVERY_MS = 50
const DIGITS = 12

/** The folder of the counts, one file for each process; set by program.ts. */
const folder = process.env.BENCH_COUNTS

if (folder) {
  // Every statement goes through here: ours, Graphile Worker's, begin and commit. The `pg` of this folder is another one, pg-boss's.
  const { Client } = createRequire(new URL('../src/main.ts', import.meta.url))('pg')
  let statements = 0
  const query = Client.prototype.query
  Client.prototype.query = function (...args: unknown[]) {
    statements += 1
    return query.apply(this, args)
  }
  const file = openSync(join(folder, String(process.pid)), 'w')
  setInterval(() => writeSync(file, String(statements).padStart(DIGITS), 0), EVERY_MS).unref()
}
