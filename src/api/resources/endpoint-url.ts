import { isIP } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Refusal, type RefusalCode } from '../../errors.ts'
import { isAllowedAddress, isInnerName, isRefusedPort, refusedReason } from '../../network/addresses.ts'
import type { HostNames } from '../../network/names/host-names.ts'

const LOOKUP_MS = 3_000
/** Of the URL as it is stored: escapes and Punycode make it longer than it was written. */
export const MAX_URL_CHARS = 2048

const urlRefusal = (code: RefusalCode, message: string) =>
  new Refusal(code, { details: [{ path: 'url', code, message }] })

interface UrlDeps {
  names: Pick<HostNames, 'resolveHost'>
  clientId: string
  allowedSubnets: readonly string[]
}

/**
 * The URL as it is stored: parsed and serialized by the WHATWG rules, which turn every notation of an IPv4 address into the
 * usual one. Throws `invalid` for text that is not an http(s) URL, contains credentials or is too long then, `https_required` for http:// outside
 * the allowed subnets, and `url_blocked` for an address, port or name that deliveries may not go to. What a name resolves to
 * is checked at each connection (docs/security.md).
 */
export async function parseEndpointUrl(text: string, { names, clientId, allowedSubnets }: UrlDeps): Promise<string> {
  const url = URL.parse(text)
  if (!url || !['http:', 'https:'].includes(url.protocol)) throw urlRefusal('invalid', 'must be an https:// URL')
  if (url.username || url.password)
    throw urlRefusal('invalid', 'must not contain a user or password: send credentials in `headers`')
  if (isRefusedPort(url.port))
    throw urlRefusal('url_blocked', `must not have the port ${url.port}, which is not one of a web server`)
  url.hash = ''
  if (url.href.length > MAX_URL_CHARS)
    throw urlRefusal(
      'invalid',
      `must have ${MAX_URL_CHARS} characters or fewer as it is stored, with escapes and Punycode: ${url.href.length}`,
    )
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (url.protocol === 'http:') {
    const all = isIP(host) ? [host] : await resolveAddresses(names, host, clientId)
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
async function resolveAddresses(
  names: Pick<HostNames, 'resolveHost'>,
  host: string,
  clientId: string,
): Promise<string[]> {
  const found = names.resolveHost(host, clientId).then(
    (all) => all.map(({ address }) => address),
    () => [],
  )
  return Promise.race([found, delay(LOOKUP_MS, [], { ref: false })])
}
