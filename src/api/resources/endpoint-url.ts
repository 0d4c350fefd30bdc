import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Refusal, type RefusalCode } from '../../errors.ts'
import { isAllowedAddress, isInnerName, isRefusedPort, refusedReason } from '../../network/addresses.ts'

const LOOKUP_MS = 3_000

const urlRefusal = (code: RefusalCode, message: string) =>
  new Refusal(code, { details: [{ path: 'url', code, message }] })

/**
 * The URL as it is stored: parsed and serialized by the WHATWG rules, which turn every notation of an IPv4 address into the
 * usual one. Throws `invalid` for text that is not an http(s) URL or contains credentials, `https_required` for http:// outside
 * the allowed subnets, and `url_blocked` for an address, port or name that deliveries may not go to. What a name resolves to
 * is checked at each connection (docs/security.md).
 */
export async function parseEndpointUrl(
  text: string,
  {
    allowedSubnets,
    resolve = resolveAddresses,
  }: { allowedSubnets: readonly string[]; resolve?: (name: string) => Promise<string[]> },
): Promise<string> {
  const url = URL.parse(text)
  if (!url || !['http:', 'https:'].includes(url.protocol)) throw urlRefusal('invalid', 'must be an https:// URL')
  if (url.username || url.password)
    throw urlRefusal('invalid', 'must not contain a user or password: send credentials in `headers`')
  if (isRefusedPort(url.port))
    throw urlRefusal('url_blocked', `must not have the port ${url.port}, which is not one of a web server`)
  url.hash = ''
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (url.protocol === 'http:') {
    const all = isIP(host) ? [host] : await resolve(host)
    if (all.length === 0 || !all.every((address) => isAllowedAddress(address, allowedSubnets)))
      throw urlRefusal('https_required', `must be https://: ${host} is not inside FLO_ALLOWED_SUBNETS`)
  }
  const reason = isIP(host) ? refusedReason(host, allowedSubnets) : null
  if (reason) throw urlRefusal('url_blocked', `must not be the address ${host} (${reason})`)
  // If subnets are opened, such a name may resolve into one: that is checked at each connection.
  if (!isIP(host) && isInnerName(host) && allowedSubnets.length === 0)
    throw urlRefusal('url_blocked', `must not be ${host}, which is not a name on the public internet`)
  return url.href
}

/** All addresses of a name; none if it has none, or if the lookup takes too long. */
async function resolveAddresses(name: string): Promise<string[]> {
  const found = lookup(name, { all: true }).then(
    (all) => all.map(({ address }) => address),
    () => [],
  )
  return Promise.race([found, delay(LOOKUP_MS, [], { ref: false })])
}
