import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6

// Written in hex first: ipaddr.js takes the dotted form of an IPv4-compatible address, ::127.0.0.1, for a mapped one.
const parseAddress = (number: string): Address =>
  ipaddr.parse(isIP(number) === 6 ? new URL(`http://[${number}]`).hostname.slice(1, -1) : number)

const unmapAddress = (address: Address): Address =>
  address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address

const isWithin = (address: Address, subnets: readonly string[]): boolean =>
  subnets.some((subnet) => {
    const [network, bits] = ipaddr.parseCIDR(subnet)
    return network.kind() === address.kind() && address.match(network, bits)
  })

// A public address, but inside Azure the host's own control plane, which hands out credentials.
const AZURE_HOST = '168.63.129.16'

function refusedReasonV4(address: ipaddr.IPv4): string | null {
  if (address.toString() === AZURE_HOST) return 'metadata'
  const range = address.range()
  return range === 'unicast' ? null : range
}

function refusedReasonV6(address: ipaddr.IPv6): string | null {
  // A machine with IPv6 alone reaches IPv4 through NAT64's well-known prefix: the address inside decides.
  if (isWithin(address, ['64:ff9b::/96'])) return refusedReasonV4(new ipaddr.IPv4(address.toByteArray().slice(12)))
  const range = address.range()
  if (range !== 'unicast') return range
  // ISATAP: whatever the prefix, the last half names a tunnel to the IPv4 address inside (RFC 5214).
  const [, , , , fifth = 0, sixth] = address.parts
  if ((fifth & ~0x0200) === 0 && sixth === 0x5efe) return 'isatap'
  // All that IANA has assigned as global unicast. The rest, IPv4-compatible ::/96 too, leads nowhere that we want to go.
  return isWithin(address, ['2000::/3']) ? null : 'reserved'
}

/**
 * Why a request must not go to `address` (an IPv4 or IPv6 address as text, no brackets), or null when it may: the name of
 * the special-use range it lies in, e.g. `loopback`, `private`, `linkLocal`, `teredo`. IPv4-mapped and NAT64 addresses are
 * judged by the IPv4 address inside; other ways of embedding one are refused. `allowedSubnets` (CIDR, FLO_ALLOWED_SUBNETS)
 * open what would be refused. Ranges: IANA's special-purpose registries for IPv4 and IPv6.
 */
export function refusedReason(address: string, allowedSubnets: readonly string[]): string | null {
  // Stricter than ipaddr.js, which accepts octal and short forms: what is no address would be looked up in DNS.
  if (!isIP(address)) return 'not an IP address'
  if (isAllowedAddress(address, allowedSubnets)) return null
  const [number = '', zone] = address.split('%')
  const dialled = unmapAddress(parseAddress(number))
  // A zone id names a link of this machine: no address of the internet has one.
  if (zone !== undefined) return 'zone'
  return dialled instanceof ipaddr.IPv4 ? refusedReasonV4(dialled) : refusedReasonV6(dialled)
}

/** Whether `address` is in one of `allowedSubnets`, however it is written. Only these are spoken to over http://. */
export function isAllowedAddress(address: string, allowedSubnets: readonly string[]): boolean {
  if (!isIP(address)) return false
  const [number = ''] = address.split('%')
  const written = parseAddress(number)
  return isWithin(written, allowedSubnets) || isWithin(unmapAddress(written), allowedSubnets)
}

// Ports of other protocols, which could misread a request: https://fetch.spec.whatwg.org/#port-blocking
const BAD_PORTS = new Set(
  `0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 135 137 139
   143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049
   3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080`.split(/\s+/),
)

/** Whether nothing may be sent to the port of a URL; '' is the scheme's default. */
export const isRefusedPort = (port: string): boolean => BAD_PORTS.has(port)

// RFC 6761 (localhost), 6762 (local), 8375 (home.arpa), and ICANN's private-use internal.
const INNER_NAMES = /(^|\.)(localhost|local|internal|home\.arpa)$/

/** Whether a host name has a meaning only inside a network: it has no dot, or ends in a name that the internet never assigns. */
export function isInnerName(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '').toLowerCase()
  return !name.includes('.') || INNER_NAMES.test(name)
}
