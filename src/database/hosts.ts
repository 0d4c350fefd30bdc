import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

interface DatabaseHost {
  host: string
  port: number
}

/** A server that does not answer at all must be given up at some time. */
const CONNECT_TIMEOUT_MS = 5000
const SCOUT_TIMEOUT_MS = 2500
/** What a host that works needs to say so at most, where another one has said it already. */
const SLOW_HOST_MS = 500

export interface HostConnector {
  /** For a `pg.Client` or `pg.Pool`. */
  config: pg.ClientConfig
  Client: typeof pg.Client
  /** The primary may be another one by now: the next connection looks for it. */
  forgetPrimary(): void
}

/**
 * How connections to `url` are made. The URL may name
 * several hosts as libpq does, `postgres://user:password@one:5432,two:5432/name`: connections go to the first that takes
 * writes, and after a failover to the one that takes them then. (`pg` itself knows one host alone.)
 * https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS
 */
export function createHostConnector(url: string): HostConnector {
  const { hosts, single } = parseHosts(url)
  // The system's probes notice a peer that has vanished while an answer is waited for.
  const config = { connectionString: single, keepAlive: true, keepAliveInitialDelayMillis: 3000 }
  const findPrimary = createPrimaryFinder(single, hosts)

  class Client extends pg.Client {
    constructor(own?: string | pg.ClientConfig) {
      // A pool's own option of this name would count the wait for a free connection as well.
      super({ ...(own as pg.ClientConfig), connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
      // What breaks a connection is told to its statements as well. Whoever connects listens only once that has come to its
      // end, by a promise later than a server can end what it has just opened: unheard, the event would end the process.
      this.on('error', () => {})
    }
    override connect(callback?: any): any {
      if (hosts.length === 1) return callback ? super.connect(callback) : super.connect()
      const connected = this.#connectToPrimary()
      return callback ? void connected.then(() => callback(null, this), callback) : connected
    }
    async #connectToPrimary(): Promise<this> {
      Object.assign(this, await findPrimary.currentPrimary())
      const role = watchRole(this)
      try {
        await super.connect()
        if (role.isStandby) throw new Error(`${this.host}:${this.port} has become a standby`)
        return this
      } catch (error) {
        findPrimary.forget()
        if (role.isStandby) void this.end()
        throw error
      }
    }
  }
  return { config, Client, forgetPrimary: findPrimary.forget }
}

/** Knows which host takes writes until it is told to forget, and looks again then. */
function createPrimaryFinder(connectionString: string, hosts: readonly DatabaseHost[]) {
  let foundHost: Promise<DatabaseHost> | undefined
  const searchHosts = async (): Promise<DatabaseHost> => {
    const scouts = hosts.map(async (host) => ({ host, trouble: await findWriteObstacle(connectionString, host) }))
    // The first in order that takes writes, so that all processes come to the same; a silent one is not waited for long.
    const hurry = delay(SLOW_HOST_MS, undefined, { ref: false })
    for (const scout of scouts) {
      const answer = await Promise.race([scout, hurry])
      if (answer && answer.trouble === null) return answer.host
    }
    const all = await Promise.all(scouts)
    const late = all.find(({ trouble }) => trouble === null)
    if (late) return late.host
    const reasons = all.map(({ host, trouble }) => `${host.host}:${host.port}: ${trouble}`)
    throw Object.assign(new Error(`no host takes writes (${reasons.join('; ')})`), { code: 'ECONNREFUSED' })
  }
  const forgetPrimary = () => {
    foundHost = undefined
  }
  return {
    forget: forgetPrimary,
    currentPrimary(): Promise<DatabaseHost> {
      if (!foundHost) {
        foundHost = searchHosts()
        foundHost.catch(forgetPrimary)
      }
      return foundHost
    },
  }
}

/** Why a host takes no writes; null: it does. */
async function findWriteObstacle(connectionString: string, { host, port }: DatabaseHost): Promise<string | null> {
  const scout = new pg.Client({ connectionString, connectionTimeoutMillis: SCOUT_TIMEOUT_MS })
  Object.assign(scout, { host, port })
  scout.on('error', () => {})
  const role = watchRole(scout)
  try {
    await scout.connect()
    return role.isStandby ? 'it is a standby' : null
  } catch (error) {
    return (error as Error).message
  } finally {
    void scout.end()
  }
}

/** Since PostgreSQL 14 a server says at the connect whether it is a standby. */
function watchRole(client: pg.Client): { isStandby: boolean } {
  const role = { isStandby: false }
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter }
  connection.on('parameterStatus', ({ parameterName, parameterValue }) => {
    if (parameterName === 'in_hot_standby') role.isStandby = parameterValue === 'on'
  })
  return role
}

function parseHosts(url: string): { hosts: DatabaseHost[]; single: string } {
  const [, head = '', named = '', rest = ''] = /^(\w+:\/\/(?:[^@/]*@)?)([^/?]*)(.*)$/.exec(url) ?? []
  const [first = '', ...others] = named.split(',')
  const hosts = [first, ...others].map((one) => {
    const [, host = '', port = '5432'] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(one) ?? []
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
  })
  return { hosts, single: others.length > 0 ? `${head}${first}${rest}` : url }
}
