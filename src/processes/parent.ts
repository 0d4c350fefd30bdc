import cluster from 'node:cluster'
import { resolve } from 'node:path'
import { rateLimiter } from '../api/http/rate-limit.ts'
import { createFirstAdminKey } from '../api/resources/create-api-key.ts'
import type { Config } from '../config.ts'
import { explainDatabaseFailure } from '../database/connect-trouble.ts'
import { isDatabaseAway } from '../database/db.ts'
import { ConfigError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { Log } from '../log.ts'
import { createWholeMetrics, type OwnMetrics, type WholeMetrics } from '../metrics/whole-metrics.ts'
import { checkKeys, type DatabaseAddress, openDatabase, startDatabase } from '../startup/database.ts'
import { createStopList, type StopList } from '../startup/stop-list.ts'
import { type Children, type LivingChild, type ParentAnswers, startChildren } from './children.ts'
import { combineReadiness } from './readiness.ts'

/** How long a child may take to tell of itself while somebody waits for all of them. */
const WAIT_MS = 2_000

interface ParentOptions {
  log: Log
  /** The embedded database has ended without being asked to: nothing works any more. */
  onDatabaseCrash: () => void
}

/**
 * Starts a gateway of several processes: this one is their parent, and does no work itself. It has the database started and
 * migrated, once, and hands its address to the children, replaces those that end, and speaks for all of them. Throws what
 * `startGateway` throws, also for what a child has met.
 */
export async function startWhole(config: Config, options: ParentOptions): Promise<Gateway> {
  if (!cluster.isPrimary)
    throw new ConfigError(
      'FLO_PROCESSES: this process is a worker of node:cluster itself (of pm2, say): run as many instances there, or start the gateway by itself.',
    )
  const started = createStopList(options.log)
  try {
    return await startParts(config, options, started)
  } catch (error) {
    await started.stopAll(isDatabaseAway(error) ? isDatabaseAway : undefined)
    throw (config.databaseUrl && explainDatabaseFailure(error, config.databaseUrl)) || error
  }
}

async function startParts(config: Config, { log, onDatabaseCrash }: ParentOptions, started: StopList) {
  const database = Promise.withResolvers<DatabaseAddress>()
  const metrics = createWholeMetrics(() => ({ wanted: config.processes, running: children.listReady().length }))
  const children = startChildren({
    ...{ log, count: config.processes, port: config.port },
    answers: createAnswers({
      metrics,
      database: database.promise,
      readChildren: () => children,
      wanted: config.processes,
    }),
    onStarted: ({ id }) => metrics.onProcessStarted(id),
    onEnded: ({ id }) => metrics.onProcessEnded(id),
  })
  process.once('exit', children.kill)
  started.add(children.stop)
  // The port first: one that is taken is told before any database is made.
  const url = await children.listening
  const address = await startDatabase(config, { log, onDatabaseCrash }, started)
  // Before the database, and however far the start came.
  started.add(children.stop)
  const { db, keyRing, close } = await openBriefly(config, address.url, log)
  try {
    await checkKeys({ db, keyRing, log })
    database.resolve({ url: address.url, folders: address.folders })
    await children.ready
    // Last of all: a key made in a start that then fails would be lost, and never made again.
    const adminKey = config.adminKey ? undefined : await createFirstAdminKey(db)
    const dataDir = config.databaseUrl ? undefined : resolve(config.dataDir)
    return { url, dataDir, adminKey, stop: () => started.stopAll(), abandon: address.abandon }
  } finally {
    await close()
  }
}

/** A connection and the keys, for as long as the start takes. */
async function openBriefly(config: Config, url: string, log: Log) {
  const opened = createStopList(log)
  try {
    return { ...(await openDatabase(config, { url, max: 1, log }, opened)), close: () => opened.stopAll() }
  } catch (error) {
    await opened.stopAll()
    throw error
  }
}

interface AnswerDeps {
  metrics: WholeMetrics
  database: Promise<DatabaseAddress>
  readChildren: () => Pick<Children, 'listReady'>
  /** How many processes there are to be. */
  wanted: number
}

/** What children ask of the whole. */
function createAnswers({ metrics, database, readChildren, wanted }: AnswerDeps): ParentAnswers {
  // By a clock that is never set: the parent has no other one.
  const secondsToWait = rateLimiter(() => new Date(performance.timeOrigin + performance.now()))
  return {
    awaitDatabase: () => database,
    countRequest: (_, { name, rate }) => secondsToWait(name, rate),
    async renderMetrics(asker, { own, standing }) {
      const others = readChildren()
        .listReady()
        .filter(({ id }) => id !== asker.id)
      const heard = new Map<string, OwnMetrics>([[asker.id, own]])
      const hear = async ({ id, channel }: LivingChild) => {
        heard.set(id, await channel.ask('readMetrics', null, { waitMs: WAIT_MS }))
      }
      await Promise.all(others.map((child) => hear(child).catch(metrics.onProcessUnheard)))
      return metrics.renderWhole(heard, standing)
    },
    async readReadiness() {
      const ready = readChildren().listReady()
      const asked = ready.map(({ channel }) =>
        channel.ask('readReadiness', null, { waitMs: WAIT_MS }).catch(() => null),
      )
      return combineReadiness(await Promise.all(asked), wanted)
    },
  }
}
