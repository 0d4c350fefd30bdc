import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { abuse } from './abuse.ts'
import { appEvents } from './app-events.ts'
import { backlog } from './backlog.ts'
import type { Bench, Report } from './bench.ts'
import { childFlags } from './child.ts'
import { clients } from './clients.ts'
import { deliver } from './deliver.ts'
import { endToEnd } from './end-to-end.ts'
import { endpoints } from './endpoints.ts'
import { growth } from './growth.ts'
import { idle } from './idle.ts'
import { ingest } from './ingest.ts'
import { describeMachine, readVersions } from './machine.ts'
import { normalize } from './normalize.ts'
import { performancePage } from './page.ts'
import { plans } from './plans.ts'
import { benchPostgres } from './postgres.ts'
import { processes } from './processes.ts'
import { routed } from './routed.ts'
import { scaling } from './scaling.ts'
import { printTable } from './table.ts'

const inBench = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const allRows = [
  ingest,
  normalize,
  appEvents,
  deliver,
  endpoints,
  backlog,
  endToEnd,
  clients,
  routed,
  processes,
  idle,
  plans,
  scaling,
  growth,
  abuse,
]

const { values: flags, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    'cpu-prof': { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
  },
})
const names = allRows.map(({ name }) => name)
const rows = allRows.filter(({ name, alone }) => (wanted.length === 0 ? !alone : wanted.includes(name)))
const unknown = wanted.filter((name) => !names.includes(name))
if (unknown.length > 0) {
  console.error(`No row is called ${unknown.join(', ')}: there are ${names.join(', ')}.`)
  process.exit(1)
}
if (flags.publish && (flags.quick || wanted.length > 0)) {
  console.error('Only a whole run is published: leave out --quick and the names of rows.')
  process.exit(1)
}
// Every process runs under the flags that `npm start` gives the gateway.
const { scripts } = JSON.parse(readFileSync(inBench('../package.json'), 'utf8'))
childFlags.push(...scripts.start.split(' ').filter((word: string) => word.startsWith('--')))
if (flags['cpu-prof']) childFlags.push('--cpu-prof', `--cpu-prof-dir=${inBench('results/profiles')}`)

// BullMQ and pg-boss are in a package of their own, so that nobody but the benchmark has to install them.
if (!existsSync(inBench('node_modules/.package-lock.json')))
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: inBench('.'), stdio: 'inherit' })

const printLine = (line: string) => console.error(`  ${line}`)
const started = new Date()
const postgres = await benchPostgres()
let stopped: Promise<void> | undefined
const stopAll = () => (stopped ??= postgres.stop())
const bench: Bench = { postgres, quick: flags.quick, say: printLine }
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, async () => {
    await stopAll()
    process.exit(1)
  })
const [loadBefore = Number.NaN] = loadavg()
const results: Report['results'] = []
try {
  for (const { name, about, measure } of rows) {
    console.error(name)
    try {
      results.push({ row: name, about, figures: await measure(bench) })
    } catch (error) {
      results.push({ row: name, about, error: (error as Error).stack ?? String(error) })
      process.exitCode = 1
    }
  }
} finally {
  await stopAll()
}

console.log(printTable(results))
const report: Report = {
  date: started.toISOString(),
  quick: flags.quick,
  machine: describeMachine(),
  loadBefore,
  versions: readVersions(postgres.version),
  log: 'All of them write their logs to files, at the default level.',
  results,
}
const file = `results/${report.date.replaceAll(':', '-').slice(0, 19)}.json`
mkdirSync(inBench('results'), { recursive: true })
const text = `${JSON.stringify(report, null, 2)}\n`
writeFileSync(inBench(file), text)
console.log(`\nWritten to bench/${file}`)
if (flags.publish) {
  writeFileSync(inBench('published.json'), text)
  writeFileSync(inBench('../docs/performance.md'), performancePage(report))
  console.log('Published in docs/performance.md')
}
process.exit()
