import type { LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { buildConnector } from 'undici'
import { isAllowedAddress, isInnerName, isRefusedPort, refusedReason } from '../../network/addresses.ts'
import { ProxyRefusal, type ProxyTunnels } from '../../network/egress-proxy.ts'
import type { HostNames } from '../../network/names/host-names.ts'
import type { TlsIdentity } from '../endpoint/endpoint.ts'
import { BlockedAddressError, isOwnLack } from './network-errors.ts'
import type { GuardedConnect, ReceiverConnection } from './receiver-client.ts'

/** Counted from when the addresses are known. */
const CONNECT_TIMEOUT_MS = 5_000
const ADDRESS_TIMEOUT_MS = 1_000
const PROXY_LOOKUP_TIMEOUT_MS = 2_000

interface ConnectorOptions {
  allowedSubnets: readonly string[]
  names: HostNames
  tunnels?: ProxyTunnels | undefined
  identity?: TlsIdentity | undefined
}

/** Throws `BlockedAddressError` for an address that nothing may be sent to. */
type CheckAddress = (address: string) => void

/**
 * A connector for undici that checks every address at each connect, and connects only to addresses that passed: a name whose
 * addresses change in between (DNS rebinding) gains nothing, whether they are looked up or remembered. `allowedSubnets` (CIDR)
 * allows addresses; http:// reaches only those. Before a proxy the addresses that the name has here are checked; the proxy
 * connects to those that it has there. Fails with `BlockedAddressError`, `NameLookupError`, or as `ProxyTunnels.openTunnel` does.
 */
export function guardedConnector({ allowedSubnets, names, tunnels, identity }: ConnectorOptions): GuardedConnect {
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
  // Filled right before a connection is begun, which reads it at once.
  const pinned = new Map<string, readonly LookupAddress[]>()
  // A webhook is one small POST at a time: HTTP/2 gains nothing and has more ways to fail.
  const connectPinned = buildConnector({
    ...identity,
    allowH2: false,
    timeout: CONNECT_TIMEOUT_MS,
    // Of several addresses each is given this long before the next is tried; Node's 250 ms is too short for far hosts.
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS,
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED of the environment cannot turn it off.
    rejectUnauthorized: true,
    lookup: readPinned(pinned),
  })
  const openDirectly = async (
    options: buildConnector.Options,
    connection: ReceiverConnection,
    { checkAddress, onConnect }: { checkAddress: CheckAddress; onConnect: buildConnector.Callback },
  ) => {
    const { hostname } = options
    connection.lookingUp = hostname
    try {
      const addresses = await names.resolveHost(hostname, connection.clientId)
      for (const { address } of addresses) checkAddress(address)
      pinned.set(hostname, addresses)
    } catch (error) {
      return onConnect(error as Error, null)
    } finally {
      connection.lookingUp = null
    }
    connectPinned(options, (...result) => {
      // The addresses may be those of yesterday.
      if (result[0] && !isOwnLack(result[0])) names.forgetHost(hostname)
      onConnect(...result)
    })
    pinned.delete(hostname)
  }

  return (options, connection, onResult) => {
    const onConnect: buildConnector.Callback = (...result) => {
      // Ended by its first error: the end of the stream that follows a TLS alert would be taken for the reason.
      const [, socket] = result
      socket?.on('error', () => socket.destroy())
      onResult(...result)
    }
    const { hostname, protocol, port } = options
    const checkAddress = addressChecks[protocol]
    if (!checkAddress) return onConnect(new BlockedAddressError(hostname, 'neither http nor https'), null)
    if (isRefusedPort(port)) return onConnect(new BlockedAddressError(hostname, `port ${port}`), null)
    // A literal address is never looked up.
    if (isIP(hostname))
      try {
        checkAddress(hostname)
      } catch (error) {
        return onConnect(error as Error, null)
      }
    if (tunnels?.isForHost(hostname))
      openCheckedTunnel({ tunnels, names, checkAddress, clientId: connection.clientId }, options).then(
        (socket) => {
          if (protocol === 'https:') connectPinned({ ...options, httpSocket: socket }, onConnect)
          else onConnect(null, socket.setNoDelay(true))
        },
        (error) => onConnect(error, null),
      )
    else if (isIP(hostname)) connectPinned(options, onConnect)
    else openDirectly(options, connection, { checkAddress, onConnect })
  }
}

interface TunnelDeps {
  tunnels: ProxyTunnels
  names: HostNames
  checkAddress: CheckAddress
  clientId: string
}

async function openCheckedTunnel(
  { tunnels, names, checkAddress, clientId }: TunnelDeps,
  { hostname, protocol, port }: buildConnector.Options,
) {
  if (!isIP(hostname)) {
    // Behind a proxy a machine often resolves no outer names at all: then only the name itself can be checked.
    const addresses = await Promise.race([
      names.resolveHost(hostname, clientId).catch(() => []),
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

/** What a connection asks in place of the system: the addresses that have been judged for it, and no others. */
const readPinned =
  (pinned: ReadonlyMap<string, readonly LookupAddress[]>): LookupFunction =>
  (hostname, { all }, callback) => {
    const addresses = pinned.get(hostname) ?? []
    const [first] = addresses
    if (!first) callback(new Error(`no address of ${hostname} was judged`), '', 0)
    else if (all) callback(null, [...addresses])
    else callback(null, first.address, first.family)
  }
