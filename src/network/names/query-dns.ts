import type { LookupAddress } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'

/** What DNS says of one full name. `isHeard`: a name server knew an answer for one family at least. */
export type DnsAnswer = (
  | { kind: 'found'; addresses: LookupAddress[]; ttlSeconds: number }
  /** It does not exist, or has no address. */
  | { kind: 'absent'; code: string }
  | { kind: 'failed'; code: string }
) & { isHeard: boolean }

// An answer that comes late still counts, which c-ares forgets when it asks again: so a second query is sent beside the first.
const TRY_MS = 5_000
const SILENT = 'ETIMEOUT'
const ASK_AGAIN_MS = 1_000
/** How long addresses of one family wait for those of the other (RFC 8305, which says 50 ms, of a resolver that is near). */
const OTHER_FAMILY_MS = 300

/** Asks name servers, and waits for each answer as long as it says. */
export interface PatientResolver {
  ask<T>(query: (resolver: Resolver) => Promise<T>): Promise<T>
}

/** Who is asked, and who is asked as well when no answer has come after a second. */
export interface DnsResolvers {
  first: PatientResolver
  second: PatientResolver
}

/** c-ares: it has sockets of its own, and no thread waits for it. `servers`: in place of those of resolv.conf. */
export function createDnsResolvers(servers: readonly string[]): DnsResolvers {
  const [nearest, ...others] = servers.length > 0 ? servers : createResolver([]).getServers()
  return { first: keepPatient(servers), second: keepPatient(nearest ? [...others, nearest] : servers) }
}

function createResolver(servers: readonly string[]): Resolver {
  const resolver = new Resolver({ timeout: TRY_MS, tries: 1 })
  if (servers.length > 0) resolver.setServers(servers)
  return resolver
}

/**
 * c-ares waits shorter for servers that have answered fast (a quarter of a second for near ones), and then names that take long
 * would never be found. It learns so from answers alone: after one, the next query goes through a new resolver. Servers that
 * never answer are asked through one, whose sockets all such queries share.
 */
function keepPatient(servers: readonly string[]): PatientResolver {
  let current: Resolver | undefined
  return {
    async ask(query) {
      const resolver = current ?? createResolver(servers)
      current = resolver
      let isSilent = false
      try {
        return await query(resolver)
      } catch (error) {
        isSilent = (error as NodeJS.ErrnoException).code === SILENT
        throw error
      } finally {
        if (!isSilent && current === resolver) current = undefined
      }
    },
  }
}

/** Asks for the addresses of both families at once. Never rejects. */
export async function queryAddresses(resolvers: DnsResolvers, name: string): Promise<DnsAnswer> {
  const v4 = queryPatiently(resolvers, name, 4)
  const v6 = queryPatiently(resolvers, name, 6)
  const first = await Promise.race([v4, v6])
  const other = first.family === 4 ? v6 : v4
  // A name server that answers for one family alone, as some do, must not hold that one up.
  const second = first.kind === 'found' ? await Promise.race([other, waitForOther()]) : await other
  const found = [first, second].filter((answer) => answer?.kind === 'found')
  const isHeard = first.isHeard || second?.isHeard === true
  if (found.length > 0)
    return {
      kind: 'found',
      isHeard,
      addresses: found.flatMap(({ addresses }) => addresses).toSorted(compareFamilies()),
      ttlSeconds: Math.min(...found.map(({ ttlSeconds }) => ttlSeconds)),
    }
  const failed = [first, second].find((answer) => answer?.kind === 'failed')
  return { ...(failed?.kind === 'failed' ? failed : first), isHeard }
}

/** Whether the first name server, or the next one, knows the servers of the root, as every server does that resolves for others. */
export async function isRootKnown({ first, second }: DnsResolvers): Promise<boolean> {
  const asked = [first, second].map((resolver) => isHeardOf(resolver.ask((one) => one.resolveNs('.'))))
  return (await Promise.race(asked)) || (await Promise.all(asked)).includes(true)
}

const isHeardOf = (query: Promise<unknown>): Promise<boolean> =>
  query.then(
    () => true,
    ({ code }: NodeJS.ErrnoException) => HEARD.has(String(code)),
  )

const waitForOther = () => delay(OTHER_FAMILY_MS, undefined, { ref: false })

type FamilyAnswer = DnsAnswer & { family: 4 | 6 }

async function queryPatiently({ first, second }: DnsResolvers, name: string, family: 4 | 6): Promise<FamilyAnswer> {
  const query = queryFamily(first, name, family)
  const soon = await Promise.race([query, delay(ASK_AGAIN_MS, undefined, { ref: false })])
  if (soon) return soon
  const again = queryFamily(second, name, family)
  const answer = await Promise.race([query, again])
  if (answer.kind !== 'failed') return answer
  const answers = await Promise.all([query, again])
  return answers.find(({ kind }) => kind !== 'failed') ?? answer
}

async function queryFamily(resolver: PatientResolver, name: string, family: 4 | 6): Promise<FamilyAnswer> {
  try {
    const records = await resolver.ask((one) =>
      family === 4 ? one.resolve4(name, { ttl: true }) : one.resolve6(name, { ttl: true }),
    )
    const addresses = records.map(({ address }) => ({ address, family }))
    const ttlSeconds = Math.min(...records.map(({ ttl }) => ttl))
    return addresses.length > 0
      ? { family, kind: 'found', addresses, ttlSeconds, isHeard: true }
      : { family, kind: 'absent', code: 'ENODATA', isHeard: true }
  } catch (error) {
    const { code = 'EFAILED' } = error as NodeJS.ErrnoException
    const isHeard = HEARD.has(code)
    return { family, kind: isHeard || code === TOO_LONG ? 'absent' : 'failed', code, isHeard }
  }
}

// What a name server says of a name that it knows not to exist, or to have no such address.
const HEARD = new Set(['ENOTFOUND', 'ENODATA'])
// No name, as one may become by a search domain: nobody is asked.
const TOO_LONG = 'EBADNAME'

/** IPv6 first where this machine has an address of the internet's, as the system would sort; Node tries the families in turn. */
function compareFamilies(): (a: LookupAddress, b: LookupAddress) => number {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  const hasV6 = addresses.some(
    ({ family, internal, address }) => family === 'IPv6' && !internal && /^[23]/.test(address),
  )
  return (a, b) => (hasV6 ? b.family - a.family : a.family - b.family)
}
