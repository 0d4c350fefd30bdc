import { renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { serialize } from 'node:v8'

// Loaded by `--import` into every process of a gateway under measure: keeps of each named statement the call that was about the most, and
// writes all of them into a file of its own.
const EVERY_MS = 500

/** A statement that ran, with its values. */
export interface CapturedStatement {
  name: string
  text: string
  values: unknown[]
}

/** The folder of what was captured, one file for each process; set by plans.ts. */
const folder = process.env.BENCH_STATEMENTS

if (folder) {
  const { Client } = createRequire(new URL('../src/main.ts', import.meta.url))('pg')
  const largest = new Map<string, CapturedStatement & { size: number }>()
  const query = Client.prototype.query
  const sizeOf = (values: unknown[]) =>
    values.reduce<number>((sum, value) => sum + (Array.isArray(value) ? value.length : 1), 0)
  Client.prototype.query = function (...args: unknown[]) {
    const { name, text, values = [] } = (args[0] ?? {}) as Partial<CapturedStatement>
    if (name && text && !/^\s*insert into \w+ \([^)]*\) values/i.test(text)) {
      const size = sizeOf(values)
      if (size > (largest.get(name)?.size ?? -1)) largest.set(name, { name, text, values, size })
    }
    return query.apply(this, args)
  }
  const file = join(folder, String(process.pid))
  setInterval(() => {
    writeFileSync(`${file}.new`, serialize([...largest.values()]))
    renameSync(`${file}.new`, file)
  }, EVERY_MS).unref()
}
