import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { promisify } from 'node:util'
import { buildConnector } from 'undici'
import { opened, refusedReason } from '../addresses.ts'
import { Blocked } from './trouble.ts'

/** All addresses of a host name; rejects as `dns.lookup` does. */
export type Resolve = (hostname: string) => Promise<LookupAddress[]>

const systemResolve: Resolve = (hostname) => promisify(systemLookup)(hostname, { all: true })

const CONNECT_TIMEOUT_MS = 5_000
const ADDRESS_TIMEOUT_MS = 1_000

/**
 * A connector for undici that dials only what it has judged, at each connect: every address of a name must pass, and the
 * judged ones are dialled, so a name that changes its mind in between gains nothing. `allowedSubnets` (CIDR) open addresses;
 * http:// reaches those alone. Fails with `Blocked`.
 */
export function guardedConnector({
  allowedSubnets,
  resolve = systemResolve,
}: {
  allowedSubnets: readonly string[]
  resolve?: Resolve
}): buildConnector.connector {
  const judges: Record<string, (address: string) => void> = {
    'https:': (address) => {
      const why = refusedReason(address, allowedSubnets)
      if (why) throw new Blocked(address, why)
    },
    'http:': (address) => {
      if (!opened(address, allowedSubnets)) throw new Blocked(address, 'http:// needs an allowed subnet')
    },
  }
  const connectors = Object.fromEntries(
    Object.entries(judges).map(([protocol, judge]) => [
      protocol,
      // A webhook is one small POST at a time: HTTP/2 gains nothing and has more ways to fail.
      buildConnector({
        allowH2: false,
        timeout: CONNECT_TIMEOUT_MS,
        // Of several addresses each is given this long before the next is tried; Node's 250 ms is too short for far hosts.
        autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS,
        lookup: judgedLookup(resolve, judge),
      }),
    ]),
  )
  return (options, callback) => {
    const judge = judges[options.protocol]
    const connect = connectors[options.protocol]
    if (!judge || !connect) return callback(new Blocked(options.hostname, 'neither http nor https'), null)
    // A literal address never reaches the lookup.
    if (isIP(options.hostname))
      try {
        judge(options.hostname)
      } catch (error) {
        return callback(error as Error, null)
      }
    connect(options, callback)
  }
}

function judgedLookup(resolve: Resolve, judge: (address: string) => void): LookupFunction {
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
