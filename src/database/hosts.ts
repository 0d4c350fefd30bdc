import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { applySessionSettings, type SessionSettings } from './session-settings.ts'

interface DatabaseHost {
  host: string
  port: number
}

/** How a session is opened: as `pg` takes it, with settings of its own beside those of every session. */
export interface SessionConfig extends pg.ClientConfig {
  sessionSettings?: SessionSettings
}

/** As `pg` calls it. */
type ConnectCallback = (error: Error | null, client?: pg.Client) => void

/** How long to wait for a server that does not answer at all. */
const CONNECT_TIMEOUT_MS = 5000
const SCOUT_TIMEOUT_MS = 2500
/** How long a host earlier in the list is waited for, once a later one has answered. */
const SLOW_HOST_MS = 500

export interface HostConnector {
  /** For a `pg.Client` or `pg.Pool`. */
  config: pg.ClientConfig
  Client: new (own?: SessionConfig) => pg.Client
  /** The next connection looks for the primary again, which may be another host by now. */
  forgetPrimary(): void
}

/**
 * How connections to `url` are made. The URL may name several hosts as libpq does, `postgres://user:password@one:5432,two:5432/name`: connections go to the first that takes
 * writes, and after a failover to the one that takes them then. (`pg` itself knows one host alone.)
 * https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS
 */
export function createHostConnector(url: string): HostConnector {
  const { hosts, single } = parseHosts(url)
  // Keepalive probes notice a peer that has vanished while we wait for an answer.
  const config = { connectionString: single, keepAlive: true, keepAliveInitialDelayMillis: 3000 }
  const primaryFinder = createPrimaryFinder(single, hosts)

  class Client extends pg.Client {
    readonly #settings: SessionSettings | undefined
    constructor(own: SessionConfig = {}) {
      // A pool's own option of this name would count the wait for a free connection as well.
      super({ ...own, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
      this.#settings = own.sessionSettings
      verifyServer(this)
      nameDatabase(this, url)
      // Statements get the error too. A server may end a connection that it has just opened before the caller's own listener is
      // attached: without this one the event would end the process.
      this.on('error', () => {})
    }
    override connect(): Promise<pg.Client>
    override connect(callback: ConnectCallback): void
    override connect(callback?: ConnectCallback): Promise<pg.Client> | undefined {
      const connected = this.#openSession()
      if (!callback) return connected
      connected.then(() => callback(null, this), callback)
      return undefined
    }
    async #openSession(): Promise<this> {
      try {
        await (hosts.length === 1 ? super.connect() : this.#connectToPrimary())
        await applySessionSettings(this, this.#settings)
        return this
      } catch (error) {
        // After an error of its own, as at a missing password, `pg` leaves the connection open for the server to give up.
        const { connection } = this as unknown as { connection: { stream: { destroy(): void } } }
        connection.stream.destroy()
        throw error
      }
    }
    async #connectToPrimary(): Promise<this> {
      Object.assign(this, await primaryFinder.findPrimary())
      const role = watchRole(this)
      try {
        await super.connect()
        if (role.isStandby) throw new Error(`${this.host}:${this.port} has become a standby`)
        return this
      } catch (error) {
        primaryFinder.forgetPrimary()
        if (role.isStandby) void this.end()
        throw error
      }
    }
  }
  return { config, Client, forgetPrimary: primaryFinder.forgetPrimary }
}

/** Remembers which host takes writes, until `forgetPrimary`. */
function createPrimaryFinder(connectionString: string, hosts: readonly DatabaseHost[]) {
  let foundHost: Promise<DatabaseHost> | undefined
  const searchHosts = async (): Promise<DatabaseHost> => {
    const scouts = hosts.map(async (host) => ({ host, obstacle: await findWriteObstacle(connectionString, host) }))
    // The first in the list that takes writes, so that all processes choose the same; a silent one is not waited for long.
    const patience = delay(SLOW_HOST_MS, undefined, { ref: false })
    for (const scout of scouts) {
      const answer = await Promise.race([scout, patience])
      if (answer && answer.obstacle === null) return answer.host
    }
    const all = await Promise.all(scouts)
    const late = all.find(({ obstacle }) => obstacle === null)
    if (late) return late.host
    const reasons = all.map(({ host, obstacle }) => `${host.host}:${host.port}: ${obstacle}`)
    throw Object.assign(new Error(`no host takes writes (${reasons.join('; ')})`), { code: 'ECONNREFUSED' })
  }
  const forgetPrimary = () => {
    foundHost = undefined
  }
  return {
    forgetPrimary,
    findPrimary(): Promise<DatabaseHost> {
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
  verifyServer(scout)
  nameDatabase(scout, connectionString)
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

/**
 * A TLS connection verifies the server unless the URL itself says otherwise (`sslmode=no-verify`): left open, NODE_TLS_REJECT_UNAUTHORIZED
 * of the environment would decide.
 */
function verifyServer(client: pg.Client): void {
  const { connection } = client as unknown as { connection: { ssl: boolean | { rejectUnauthorized?: boolean } } }
  if (connection.ssl === true) connection.ssl = { rejectUnauthorized: true }
  else if (connection.ssl) connection.ssl.rejectUnauthorized ??= true
}

/** Gives the session the database of its URL, all escapes decoded: `pg` leaves those of `/`, `?`, `#`, `;` and others as they are. */
function nameDatabase(client: pg.Client, url: string): void {
  const name = /^\w+:\/\/[^/?#]*\/([^?#]+)/.exec(url)?.[1]
  if (name === undefined) return
  const { connectionParameters } = client as unknown as { connectionParameters: { database: string } }
  const database = decodeURIComponent(name)
  Object.assign(client, { database })
  Object.assign(connectionParameters, { database })
}

/** Since PostgreSQL 14 a server reports at the connect whether it is a standby. */
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
  return { hosts, single: nameOurSessions(others.length > 0 ? `${head}${first}${rest}` : url) }
}

/** A name that the URL gives its sessions stands behind our own, by which sessions of a gateway are known. */
const nameOurSessions = (url: string): string =>
  url.replace(/([?&]application_name=)(?!flo-gateway)/g, '$1flo-gateway%20')
