import { setTimeout as delay } from 'node:timers/promises'
import { type RequestRate, rateLimiter } from '../api/http/rate-limit.ts'
import { readConfig } from '../config.ts'
import { isDatabaseAway } from '../database/db.ts'
import { forgetClientVariables } from '../embedded-postgres/start.ts'
import { ConfigError } from '../errors.ts'
import { type GatewayProcess, startGateway } from '../gateway.ts'
import { newLog } from '../log.ts'
import type { Whole } from '../startup/whole.ts'
import { version } from '../version.ts'
import { type ChildArguments, readChildArguments } from './arguments.ts'
import type { ChildCalls, ParentCalls } from './calls.ts'
import { type Channel, openChannel } from './channel.ts'

/** How long is waited for the parent while somebody waits for an answer over HTTP. */
const WAIT_MS = { scrape: 5_000, readiness: 3_000, count: 1_000 }
/** How long a child that could not start waits for its parent to hear why. */
const LAST_WORDS_MS = 2_000

/**
 * One of the processes of a gateway, as its parent starts it. It ends when its parent says so, and at once when its parent lives no
 * more; signals are the parent's to obey. Why it did not start it tells its parent alone.
 */
export async function runChild(): Promise<void> {
  // A terminal and a supervisor send signals to the whole group.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  process.once('disconnect', () => process.exit(1))
  const started = Promise.withResolvers<GatewayProcess>()
  started.promise.catch(() => {})
  const parent = openChannel<ParentCalls, ChildCalls>(process, {
    readMetrics: async () => (await started.promise).readMetrics(),
    readReadiness: async () => (await started.promise).readReadiness(),
    answerPing() {},
    async stop() {
      await (await started.promise).stop()
      process.exit(0)
    },
  })
  try {
    started.resolve(await startChild(readChildArguments(process.argv), parent))
    await parent.ask('tellReady', null)
  } catch (error) {
    const { message, stack } = error as Error
    const told = parent.ask('tellFailure', { message, stack, isConfig: error instanceof ConfigError })
    await Promise.race([told.catch(() => {}), delay(LAST_WORDS_MS)])
    process.exit(1)
  }
}

async function startChild(own: ChildArguments, parent: Channel<ParentCalls>): Promise<GatewayProcess> {
  // Files may have been replaced under a gateway that runs: its processes have to speak of one schema.
  if (own.version !== version)
    throw new ConfigError(
      `The program in this folder is ${version} by now, and ${own.version} runs: restart the gateway.`,
    )
  const config = { ...readConfig(process.env), port: own.port }
  const log = newLog(config.logLevel, { isOutage: isDatabaseAway, isShared: true }).child({ process: own.process })
  const whole: Whole = {
    process: own.process,
    isReplacement: own.isReplacement,
    onListening: (url) => void parent.ask('tellListening', url).catch(() => {}),
    async awaitDatabase() {
      const address = await parent.ask('awaitDatabase', null)
      if (!config.databaseUrl) forgetClientVariables()
      return address
    },
    renderMetrics: (told, standing) => parent.ask('renderMetrics', { own: told, standing }, { waitMs: WAIT_MS.scrape }),
    readReadiness: () => parent.ask('readReadiness', null, { waitMs: WAIT_MS.readiness }),
    countRequest: countWith(parent),
  }
  return startGateway(config, { log, whole })
}

/** Counts requests at the parent, for all processes; a parent that is too busy to count does not hold up a request. */
function countWith(parent: Channel<ParentCalls>): Whole['countRequest'] {
  const countHere = rateLimiter(() => new Date())
  return (name: string, rate: RequestRate | undefined) =>
    parent.ask('countRequest', { name, rate }, { waitMs: WAIT_MS.count }).catch(() => countHere(name, rate))
}
