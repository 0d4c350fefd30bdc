import type { IncomingMessage } from 'node:http'
import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'

/** Whose requests come over a connection: those of its own peer, or those that a proxy passes on. */
export interface Peers {
  /** The peer's address in one form, IPv4 also where it came as `::ffff:`. */
  addressOf(remoteAddress: string | undefined): string
  /** In whose share the address is counted: of IPv6 a sender has 2^64 of them. */
  shareOf(address: string): string
  /** Whether the address is the sender's own, so that a limit per address may hold for it. */
  isOwnAddress(address: string): boolean
  /** The share of whom a trusted proxy says that a request comes from; null: it comes from the peer itself, or nobody knows. */
  forwardedFor(req: IncomingMessage, peer: string): string | null
}

/** Proxies that nobody has named, and that show themselves by what they add. */
const PRESUMED_MAX = 10_000
/** A chain of proxies is shorter; what stands before may be made up. */
const CHAIN_MAX = 20

/**
 * Tells senders from proxies. `trusted` are the subnets of FLO_TRUSTED_PROXIES: X-Forwarded-For is honoured from those only.
 * Where none is named, a peer that passes requests on for others (it adds Forwarded, X-Forwarded-For or Via) is taken for a
 * proxy, of whose addresses nothing is known.
 */
export function createPeers(trusted: readonly string[]): Peers {
  const subnets = trusted.map((subnet) => ipaddr.parseCIDR(subnet))
  const presumed = new LRUCache<string, true>({ max: PRESUMED_MAX })
  const isTrusted = (address: string): boolean => {
    if (subnets.length === 0 || !ipaddr.isValid(address)) return false
    const parsed = ipaddr.process(address)
    return subnets.some(([network, bits]) => parsed.kind() === network.kind() && parsed.match(network, bits))
  }
  return {
    addressOf: (remoteAddress = '') =>
      remoteAddress.startsWith('::ffff:') && remoteAddress.includes('.') ? remoteAddress.slice(7) : remoteAddress,
    shareOf,
    isOwnAddress: (address) => !isTrusted(address) && !presumed.has(address),
    forwardedFor(req, peer) {
      const { forwarded, via, 'x-forwarded-for': chain } = req.headers
      if (subnets.length === 0) {
        if (forwarded ?? via ?? chain) presumed.set(peer, true)
        return null
      }
      if (chain === undefined || !isTrusted(peer)) return null
      // The nearest proxy writes last: the first one from the end that is no proxy of ours is the sender.
      const hops = String(chain)
        .split(',')
        .slice(-CHAIN_MAX)
        .map((hop) => withoutPort(hop.trim()))
      const sender = hops.findLast((hop) => !isTrusted(hop))
      return sender !== undefined && ipaddr.isValid(sender) ? shareOf(ipaddr.process(sender).toString()) : null
    },
  }
}

/** The smallest network that is given to anybody in IPv6 is a /64. */
function shareOf(address: string): string {
  if (!ipaddr.IPv6.isValid(address)) return address
  return `${ipaddr.IPv6.parse(address).parts.slice(0, 4).join(':')}/64`
}

/** Some proxies write the port as well: `203.0.113.7:4711`, `[2001:db8::1]:4711`. */
function withoutPort(hop: string): string {
  if (hop.startsWith('[')) return hop.slice(1, Math.max(1, hop.indexOf(']')))
  return /^[^:]*:\d+$/.test(hop) ? hop.slice(0, hop.indexOf(':')) : hop
}
