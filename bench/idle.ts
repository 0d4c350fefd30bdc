import { setTimeout as delay } from 'node:timers/promises'
import type { Bench, Figure, Row } from './bench.ts'
import { startProgram } from './program.ts'
import { newTenants } from './seed.ts'

const CLIENTS = 10_000

/** What clients cost of whom nothing comes. */
export const idle: Row = {
  name: 'idle',
  about: `A gateway with ${CLIENTS.toLocaleString('en')} clients, each with a source and an endpoint, for which nothing comes and nothing waits: what it does
by the clock alone.`,
  async measure({ postgres, quick, say }: Bench): Promise<Figure[]> {
    const database = await postgres.fresh()
    await newTenants(database.db, { count: CLIENTS, endpoints: 1, url: 'http://127.0.0.1:9' })
    await database.db.query('vacuum analyze')
    const server = await startProgram(database.url)
    // What it does at its start is over.
    await delay(quick ? 5_000 : 20_000)
    const readSpent = async () => ({
      ...(await server.usage()),
      postgres: postgres.cpuSeconds(),
      at: performance.now(),
    })
    const before = await readSpent()
    await delay(quick ? 20_000 : 120_000)
    const after = await readSpent()
    await server.stop()
    await database.drop()
    const seconds = (after.at - before.at) / 1000
    say(`${after.statements - before.statements} statements in ${Math.round(seconds)} s`)
    const shareOf = (what: 'cpuSeconds' | 'postgres') => ((after[what] - before[what]) / seconds) * 100
    return [
      { what: 'processor time of the gateway', value: shareOf('cpuSeconds'), unit: '% of a core', atMost: 0.9 },
      { what: 'processor time of PostgreSQL', value: shareOf('postgres'), unit: '% of a core', atMost: 0.7 },
      { what: 'SQL statements', value: (after.statements - before.statements) / seconds, unit: '/s' },
      { what: 'memory of the gateway', value: after.rssMb, unit: 'MB RSS', atMost: 300 },
    ]
  },
}
