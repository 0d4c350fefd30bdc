import { type cpuUsage, startChild } from './child.ts'
import type { Server } from './program.ts'

/** What the process of the plain gateway answers. */
export interface NaiveCommands {
  usage(): ReturnType<typeof cpuUsage>
  stop(): Promise<void>
  [name: string]: (...args: never[]) => unknown
}

/** A gateway of the usual design: one transaction and one job per request. It has whatever sources its database has. */
export async function startNaive(databaseUrl: string): Promise<Server> {
  const child = await startChild<{ url: string }, NaiveCommands>('naive-server.ts', { databaseUrl })
  return {
    url: child.ready.url,
    pid: child.pid,
    usage: async () => ({ ...(await child.ask('usage')), statements: Number.NaN, logBytes: Number.NaN }),
    async stop() {
      await child.ask('stop')
      await child.stop()
    },
  }
}
