import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Json } from '../src/domain/json.ts'
import { present } from '../test/support/present.ts'
import { makeClients, type TorturedClient } from './clients.ts'
import { type GatewayProcess, runGateway } from './gateways.ts'
import { type Receiver, startReceiver } from './receiver.ts'
import { newServer, type PostgresServer, setSynchronous, startStandby } from './server.ts'
import { startSilentNameServer } from './silent-names.ts'
import { type FakeStripe, startStripe } from './stripe.ts'
import { startWire, type Wire } from './wire.ts'

const ADMIN_KEY = 'admin-key-of-the-torture'

/** Gateways at work on one database, with Stripe on one side and clients' endpoints on the other. */
export interface Setting {
  folder: string
  /** The one that takes writes at present, and the one that follows it, if any. */
  servers: PostgresServer[]
  /** The first of them. */
  readonly server: PostgresServer
  gateways: GatewayProcess[]
  /** Each process's own way to the database, one for each host of its DATABASE_URL. */
  wires: Wire[][]
  stripe: FakeStripe
  receivers: Receiver[]
  /** Those of them that always take what comes. */
  steady: Receiver[]
  clients: TorturedClient[]
  /** The first of them. */
  readonly clientId: string
  /** One request to the management API of whichever process has it. */
  api(method: string, path: string, body?: unknown): Promise<Json>
  /** Ends every process that it has started, and removes what they wrote. */
  stop(): Promise<void>
}

interface SettingOptions {
  processes?: number
  /** What each process does, in turn, as in FLO_ROLES; everything, when nothing is said. */
  roles?: (process: number) => string
  /** Of each process in turn. */
  env?: (process: number) => Record<string, string>
  /** Of the server: see postgresql.conf. */
  settings?: Record<string, string>
  /** Events a second. */
  perSecond?: number
  pad?: string
  /** Clients, each with an endpoint at every receiver. */
  clients?: number
  /** Beside two that always take what comes. */
  bad?: Receiver[]
  /** Of the endpoints that do not always take what comes. */
  badTimeoutSeconds?: number
  /** Has a standby follow the server, synchronously; DATABASE_URL names both. */
  replicated?: boolean
}

/** Puts it all up; Stripe sends from the moment that it returns. */
export async function startSetting({
  processes = 2,
  roles = () => 'receive,work,api',
  env = () => ({}),
  settings = {},
  perSecond = 50,
  pad = '',
  clients: count = 1,
  bad = [],
  badTimeoutSeconds = 15,
  replicated = false,
}: SettingOptions): Promise<Setting> {
  const steps: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const step of steps.splice(0).toReversed()) await step().catch(() => {})
  }
  try {
    const folder = await mkdtemp(join(tmpdir(), 'flo-gateway-torture-'))
    await chmod(folder, 0o711)
    steps.push(() => rm(folder, { recursive: true, force: true }))
    const server = await newServer(join(folder, 'a'), settings)
    const servers = [server]
    steps.push(() => Promise.all(servers.map((one) => one.stop('immediate'))))
    await server.start()
    if (replicated) {
      servers.push(await startStandby(server, join(folder, 'b')))
      await setSynchronous(server, 'on')
    }
    const names = await startSilentNameServer()
    steps.push(names.stop)
    const wires: Wire[][] = []
    const gateways: GatewayProcess[] = []
    for (let at = 0; at < processes; at += 1) {
      const ways = await Promise.all(servers.map(({ port }) => startWire(port)))
      wires.push(ways)
      steps.push(() => Promise.all(ways.map((way) => way.stop())))
      const home = join(folder, `gateway-${at}`)
      await mkdir(home)
      gateways.push(
        runGateway(home, {
          ...gatewayEnvironment(server, ways),
          FLO_NAME_SERVERS: names.address,
          FLO_ROLES: roles(at),
          ...env(at),
        }),
      )
      steps.push(present(gateways[at]).stop)
      // The first migrates; the others would only wait for it, and make its start slower.
      if (at === 0) await untilListening(gateways)
    }
    await untilListening(gateways)

    const urlsOfRole = (role: string) => () =>
      gateways.flatMap((gateway, at) => (roles(at).includes(role) ? (gateway.url() ?? []) : []))
    const api = (method: string, path: string, body?: unknown) => requestApi(urlsOfRole('api'), method, path, body)
    const steady = [await startReceiver(), await startReceiver()]
    const receivers = [...steady, ...bad]
    steps.push(() => Promise.all(receivers.map((receiver) => receiver.stop())))
    const endpoints = receivers.map((receiver) => ({
      receiver,
      timeoutSeconds: steady.includes(receiver) ? 15 : badTimeoutSeconds,
    }))
    const clients = await makeClients({ api, count, endpoints })
    const stripe = startStripe({ urls: urlsOfRole('receive'), clients, perSecond, pad })
    steps.push(stripe.stop)
    return {
      folder,
      servers,
      get server() {
        return present(servers[0])
      },
      gateways,
      wires,
      stripe,
      receivers,
      steady,
      clients,
      clientId: present(clients[0]).id,
      api,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const gatewayEnvironment = ({ user, password }: PostgresServer, ways: Wire[]) => ({
  PORT: '0',
  LOG_LEVEL: 'error',
  DATABASE_URL: `postgres://${user}:${password}@${ways.map(({ port }) => `127.0.0.1:${port}`).join(',')}/postgres${
    ways.length > 1 ? '?target_session_attrs=read-write' : ''
  }`,
  FLO_ADMIN_KEY: ADMIN_KEY,
  FLO_ENCRYPTION_KEYS: `torture:${Buffer.alloc(32, 5).toString('base64')}`,
  FLO_ALLOWED_SUBNETS: '127.0.0.0/8',
})

/** Returns when every process listens. */
async function untilListening(gateways: GatewayProcess[]): Promise<void> {
  while (gateways.some((gateway) => gateway.url() === null)) {
    const [crash] = gateways.flatMap(({ crashes }) => crashes)
    if (crash && gateways.every((gateway) => gateway.url() === null)) throw new Error(crash.message)
    await delay(20)
  }
}

async function requestApi(urls: () => string[], method: string, path: string, body?: unknown): Promise<Json> {
  const response = await fetch(`${urls()[0]}${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const reply = (await response.json()) as Json
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${JSON.stringify(reply)}`)
  return reply.data
}
