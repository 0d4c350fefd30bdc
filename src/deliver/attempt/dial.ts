import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { buildConnector } from 'undici'
import { isInnerName, isRefusedPort, opened, refusedReason } from '../../network/addresses.ts'
import { ProxyRefusal, type Tunnels } from '../../network/egress-proxy.ts'
import type { Identity } from '../endpoint/endpoint.ts'
import { Blocked } from './network-errors.ts'

/** All addresses of a host name; rejects as `dns.lookup` does. */
export type Resolve = (hostname: string) => Promise<LookupAddress[]>

const systemResolve: Resolve = (hostname) => promisify(systemLookup)(hostname, { all: true })

const CONNECT_TIMEOUT_MS = 5_000
const ADDRESS_TIMEOUT_MS = 1_000
const LOOKUP_BEFORE_PROXY_MS = 2_000

interface Options {
  allowedSubnets: readonly string[]
  resolve?: Resolve
  tunnels?: Tunnels | undefined
  identity?: Identity | undefined
}

/** Throws `Blocked` for an address that nothing may be sent to. */
type Judge = (address: string) => void

/**
 * A connector for undici that dials only what it has judged, at each connect: every address of a name must pass, and the
 * judged ones are dialled, so a name that changes its mind in between gains nothing. `allowedSubnets` (CIDR) open addresses;
 * http:// reaches those alone. Through a proxy the same is judged of what the name is here; the proxy dials what it is there.
 * Fails with `Blocked`, or as `Tunnels.open` does.
 */
export function guardedConnector({
  allowedSubnets,
  resolve = systemResolve,
  tunnels,
  identity,
}: Options): buildConnector.connector {
  const judges: Record<string, Judge> = {
    'https:': (address) => {
      const why = refusedReason(address, allowedSubnets)
      if (why) throw new Blocked(address, why)
    },
    'http:': (address) => {
      if (!opened(address, allowedSubnets)) throw new Blocked(address, 'http:// needs an allowed subnet')
    },
  }
  const lookups = together(resolve)
  const connectors = Object.fromEntries(
    Object.entries(judges).map(([protocol, judge]) => [
      protocol,
      // A webhook is one small POST at a time: HTTP/2 gains nothing and has more ways to fail.
      buildConnector({
        ...identity,
        allowH2: false,
        timeout: CONNECT_TIMEOUT_MS,
        // Of several addresses each is given this long before the next is tried; Node's 250 ms is too short for far hosts.
        autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS,
        // Said, so that no NODE_TLS_REJECT_UNAUTHORIZED of the environment says otherwise.
        rejectUnauthorized: true,
        lookup: judgedLookup(lookups, judge),
      }),
    ]),
  )
  return (options, told) => {
    const callback: buildConnector.Callback = (...result) => {
      // Ended by its first error: the end of the stream that follows a TLS alert would be taken for the reason.
      const [, socket] = result
      socket?.on('error', () => socket.destroy())
      told(...result)
    }
    const { hostname, protocol, port } = options
    const judge = judges[protocol]
    const connect = connectors[protocol]
    if (!judge || !connect) return callback(new Blocked(hostname, 'neither http nor https'), null)
    if (isRefusedPort(port)) return callback(new Blocked(hostname, `port ${port}`), null)
    // A literal address never reaches the lookup.
    if (isIP(hostname))
      try {
        judge(hostname)
      } catch (error) {
        return callback(error as Error, null)
      }
    if (!tunnels?.leadTo(hostname)) return connect(options, callback)
    judgedTunnel({ tunnels, resolve: lookups, judge }, options).then(
      (socket) => {
        if (protocol === 'https:') connect({ ...options, httpSocket: socket }, callback)
        else callback(null, socket.setNoDelay(true))
      },
      (error) => callback(error, null),
    )
  }
}

async function judgedTunnel(
  { tunnels, resolve, judge }: { tunnels: Tunnels; resolve: Resolve; judge: Judge },
  { hostname, protocol, port }: buildConnector.Options,
) {
  if (!isIP(hostname)) {
    // Behind a proxy a machine often resolves no outer names at all: then only the name itself can be judged.
    const addresses = await Promise.race([
      resolve(hostname).catch(() => []),
      delay(LOOKUP_BEFORE_PROXY_MS, [], { ref: false }),
    ])
    for (const { address } of addresses) judge(address)
    if (addresses.length === 0 && isInnerName(hostname)) throw new Blocked(hostname, 'a name of an inner network')
    if (addresses.length === 0 && protocol === 'http:')
      throw new Blocked(hostname, 'http:// needs an allowed subnet, and the name does not resolve')
  }
  try {
    return await tunnels.open(hostname, port || (protocol === 'https:' ? '443' : '80'))
  } catch (error) {
    throw error instanceof ProxyRefusal ? new Blocked(hostname, error.message) : error
  }
}

/** Of one name one look-up at a time: each takes a thread, and a name server that never answers shall not get them all. */
function together(resolve: Resolve): Resolve {
  const underWay = new Map<string, Promise<LookupAddress[]>>()
  return (hostname) => {
    let addresses = underWay.get(hostname)
    if (!addresses) {
      addresses = resolve(hostname).finally(() => underWay.delete(hostname))
      underWay.set(hostname, addresses)
    }
    return addresses
  }
}

function judgedLookup(resolve: Resolve, judge: Judge): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        try {
          for (const { address } of addresses) judge(address)
        } catch (error) {
          return callback(error as Error, '', 0)
        }
        const [first] = addresses
        if (options.all) callback(null, addresses)
        else callback(null, first?.address ?? '', first?.family)
      },
      (error) => callback(error, '', 0),
    )
  }
}
