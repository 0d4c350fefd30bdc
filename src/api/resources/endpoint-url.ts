import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Refusal, type RefusalCode } from '../../errors.ts'
import { isAllowedAddress, isInnerName, isRefusedPort, refusedReason } from '../../network/addresses.ts'

const LOOKUP_MS = 3_000

const urlRefusal = (code: RefusalCode, message: string) =>
  new Refusal(code, { details: [{ path: 'url', code, message }] })

/**
 * The URL as it is stored: parsed and written anew by the WHATWG rules, which turn every notation of an IPv4 address into
 * the plain one. Throws `invalid` for what is no http(s) URL or holds a user, `https_required` for http:// to anything but
 * allowed subnets, `url_blocked` for an address, a port or a name that no attempt may go to. What a name leads to is judged
 * at each connect. Rule: DESIGN.md 4.
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
    throw urlRefusal('invalid', 'must not hold a user or password: send credentials in `headers`')
  if (isRefusedPort(url.port))
    throw urlRefusal('url_blocked', `must not have the port ${url.port}, where no web server is`)
  url.hash = ''
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (url.protocol === 'http:') {
    const all = isIP(host) ? [host] : await resolve(host)
    if (all.length === 0 || !all.every((address) => isAllowedAddress(address, allowedSubnets)))
      throw urlRefusal('https_required', `must be https://: ${host} is not inside FLO_ALLOWED_SUBNETS`)
  }
  const reason = isIP(host) ? refusedReason(host, allowedSubnets) : null
  if (reason) throw urlRefusal('url_blocked', `must not be the address ${host} (${reason})`)
  // Where subnets are opened, such a name may well lead into one: that is judged at each connect.
  if (!isIP(host) && isInnerName(host) && allowedSubnets.length === 0)
    throw urlRefusal('url_blocked', `must not be ${host}, which is no name of the public internet`)
  return url.href
}

/** Every address of a name; none when it has none, or when the resolver takes too long. */
async function resolveAddresses(name: string): Promise<string[]> {
  const found = lookup(name, { all: true }).then(
    (all) => all.map(({ address }) => address),
    () => [],
  )
  return Promise.race([found, delay(LOOKUP_MS, [], { ref: false })])
}
