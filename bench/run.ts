import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { appEvents } from './app-events.ts'
import { backlog } from './backlog.ts'
import type { Bench, Figure } from './bench.ts'
import { childFlags } from './child.ts'
import { deliver } from './deliver.ts'
import { endToEnd } from './end-to-end.ts'
import { endpoints } from './endpoints.ts'
import { ingest } from './ingest.ts'
import { machine, versions } from './machine.ts'
import { benchPostgres } from './postgres.ts'
import { table } from './table.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const allRows = [ingest, appEvents, deliver, endpoints, backlog, endToEnd]

const { values: flags, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, 'cpu-prof': { type: 'boolean', default: false } },
})
const names = allRows.map(({ name }) => name)
const unknown = wanted.filter((name) => !names.includes(name))
if (unknown.length > 0) {
  console.error(`No row is called ${unknown.join(', ')}: there are ${names.join(', ')}.`)
  process.exit(1)
}
// Every process runs under the flags that `npm start` gives the gateway.
const { scripts } = JSON.parse(readFileSync(here('../package.json'), 'utf8'))
childFlags.push(...scripts.start.split(' ').filter((word: string) => word.startsWith('--')))
if (flags['cpu-prof']) childFlags.push('--cpu-prof', `--cpu-prof-dir=${here('results/profiles')}`)

// BullMQ and pg-boss are in a package of their own, so that nobody but the benchmark has to install them.
if (!existsSync(here('node_modules/.package-lock.json')))
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: here('.'), stdio: 'inherit' })

const say = (line: string) => console.error(`  ${line}`)
const started = new Date()
const postgres = await benchPostgres()
let stopped: Promise<void> | undefined
const stop = () => (stopped ??= postgres.stop())
const bench: Bench = { postgres, quick: flags.quick, say }
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, async () => {
    await stop()
    process.exit(1)
  })
const results: { row: string; figures?: Figure[]; error?: string }[] = []
try {
  for (const { name, measure } of allRows.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    console.error(name)
    try {
      results.push({ row: name, figures: await measure(bench) })
    } catch (error) {
      results.push({ row: name, error: (error as Error).stack ?? String(error) })
      process.exitCode = 1
    }
  }
} finally {
  await stop()
}

console.log(table(results))
const report = {
  date: started.toISOString(),
  quick: flags.quick,
  machine: machine(),
  versions: versions(postgres.version),
}
const file = `results/${report.date.replaceAll(':', '-').slice(0, 19)}.json`
mkdirSync(here('results'), { recursive: true })
writeFileSync(here(file), `${JSON.stringify({ ...report, results }, null, 2)}\n`)
console.log(`\nWritten to bench/${file}`)
process.exit()
