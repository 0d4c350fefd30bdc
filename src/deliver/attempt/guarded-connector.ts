import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { buildConnector } from 'undici'
import { isAllowedAddress, isInnerName, isRefusedPort, refusedReason } from '../../network/addresses.ts'
import { ProxyRefusal, type ProxyTunnels } from '../../network/egress-proxy.ts'
import type { TlsIdentity } from '../endpoint/endpoint.ts'
import { BlockedAddressError } from './network-errors.ts'

/** All addresses of a host name; rejects as `dns.lookup` does. */
export type ResolveHost = (hostname: string) => Promise<LookupAddress[]>

const resolveBySystem: ResolveHost = (hostname) => promisify(systemLookup)(hostname, { all: true })

const CONNECT_TIMEOUT_MS = 5_000
const ADDRESS_TIMEOUT_MS = 1_000
const PROXY_LOOKUP_TIMEOUT_MS = 2_000

interface ConnectorOptions {
  allowedSubnets: readonly string[]
  resolveHost?: ResolveHost
  tunnels?: ProxyTunnels | undefined
  identity?: TlsIdentity | undefined
}

/** Throws `BlockedAddressError` for an address that nothing may be sent to. */
type CheckAddress = (address: string) => void

/**
 * A connector for undici that checks every address at each connect, and connects only to addresses that passed: a name whose
 * addresses change in between (DNS rebinding) gains nothing. `allowedSubnets` (CIDR) allows addresses; http:// reaches only
 * those. Before a proxy the addresses that the name has here are checked; the proxy connects to those that it has there.
 * Fails with `BlockedAddressError`, or as `ProxyTunnels.openTunnel` does.
 */
export function guardedConnector({
  allowedSubnets,
  resolveHost = resolveBySystem,
  tunnels,
  identity,
}: ConnectorOptions): buildConnector.connector {
  const addressChecks: Record<string, CheckAddress> = {
    'https:': (address) => {
      const why = refusedReason(address, allowedSubnets)
      if (why) throw new BlockedAddressError(address, why)
    },
    'http:': (address) => {
      if (!isAllowedAddress(address, allowedSubnets))
        throw new BlockedAddressError(address, 'http:// needs an allowed subnet')
    },
  }
  const resolveOnce = coalesceLookups(resolveHost)
  const connectors = Object.fromEntries(
    Object.entries(addressChecks).map(([protocol, checkAddress]) => [
      protocol,
      // A webhook is one small POST at a time: HTTP/2 gains nothing and has more ways to fail.
      buildConnector({
        ...identity,
        allowH2: false,
        timeout: CONNECT_TIMEOUT_MS,
        // Of several addresses each is given this long before the next is tried; Node's 250 ms is too short for far hosts.
        autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS,
        // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED of the environment cannot turn it off.
        rejectUnauthorized: true,
        lookup: checkedLookup(resolveOnce, checkAddress),
      }),
    ]),
  )
  return (options, onConnect) => {
    const callback: buildConnector.Callback = (...result) => {
      // Ended by its first error: the end of the stream that follows a TLS alert would be taken for the reason.
      const [, socket] = result
      socket?.on('error', () => socket.destroy())
      onConnect(...result)
    }
    const { hostname, protocol, port } = options
    const checkAddress = addressChecks[protocol]
    const connect = connectors[protocol]
    if (!checkAddress || !connect) return callback(new BlockedAddressError(hostname, 'neither http nor https'), null)
    if (isRefusedPort(port)) return callback(new BlockedAddressError(hostname, `port ${port}`), null)
    // A literal address never reaches the lookup.
    if (isIP(hostname))
      try {
        checkAddress(hostname)
      } catch (error) {
        return callback(error as Error, null)
      }
    if (!tunnels?.isForHost(hostname)) return connect(options, callback)
    openCheckedTunnel({ tunnels, resolveHost: resolveOnce, checkAddress }, options).then(
      (socket) => {
        if (protocol === 'https:') connect({ ...options, httpSocket: socket }, callback)
        else callback(null, socket.setNoDelay(true))
      },
      (error) => callback(error, null),
    )
  }
}

async function openCheckedTunnel(
  {
    tunnels,
    resolveHost,
    checkAddress,
  }: { tunnels: ProxyTunnels; resolveHost: ResolveHost; checkAddress: CheckAddress },
  { hostname, protocol, port }: buildConnector.Options,
) {
  if (!isIP(hostname)) {
    // Behind a proxy a machine often resolves no outer names at all: then only the name itself can be checked.
    const addresses = await Promise.race([
      resolveHost(hostname).catch(() => []),
      delay(PROXY_LOOKUP_TIMEOUT_MS, [], { ref: false }),
    ])
    for (const { address } of addresses) checkAddress(address)
    if (addresses.length === 0 && isInnerName(hostname))
      throw new BlockedAddressError(hostname, 'a name of an inner network')
    if (addresses.length === 0 && protocol === 'http:')
      throw new BlockedAddressError(hostname, 'http:// needs an allowed subnet, and the name does not resolve')
  }
  try {
    return await tunnels.openTunnel(hostname, port || (protocol === 'https:' ? '443' : '80'))
  } catch (error) {
    throw error instanceof ProxyRefusal ? new BlockedAddressError(hostname, error.message) : error
  }
}

/** Coalesces look-ups of one name: each takes a thread, and a name server that never answers must not take them all. */
function coalesceLookups(resolve: ResolveHost): ResolveHost {
  const lookupsUnderWay = new Map<string, Promise<LookupAddress[]>>()
  return (hostname) => {
    let addresses = lookupsUnderWay.get(hostname)
    if (!addresses) {
      addresses = resolve(hostname).finally(() => lookupsUnderWay.delete(hostname))
      lookupsUnderWay.set(hostname, addresses)
    }
    return addresses
  }
}

function checkedLookup(resolve: ResolveHost, checkAddress: CheckAddress): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        try {
          for (const { address } of addresses) checkAddress(address)
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
