import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { LRUCache } from 'lru-cache'
import { createQuestions, LOOKUP_MS, type Question, SLOW_AFTER_MS } from './ask-servers.ts'
import { type LookupLimits, limitLookups, type NameStanding } from './lookup-limits.ts'
import { SYSTEM_FILES, type SystemFilePaths, watchSystemFiles } from './system-files.ts'

/** A name has no address that is known. */
export class NameLookupError extends Error {
  override name = 'NameLookupError'
  /**
   * As Node's resolver says it, ENOTFOUND or ETIMEOUT for example; FLO_LOOKUPS_BUSY: it was not its turn in time;
   * FLO_NO_NAME_SERVER: the name servers know no answer for any name.
   */
  readonly code: string
  constructor(hostname: string, code: string) {
    super(`the name ${hostname} could not be resolved (${code})`)
    this.code = code
  }
  /** Whether no name server can be asked, or nobody could be just now: then it says nothing of the name. */
  get isOwnLack(): boolean {
    return OWN_LACKS.has(this.code)
  }
}

const OWN_LACKS = new Set(['ECONNREFUSED', 'ENOMEM', 'FLO_LOOKUPS_BUSY', 'FLO_NO_NAME_SERVER'])

/** Addresses of host names, for everything in this process that connects to names which others choose. */
export interface HostNames {
  /** All addresses of a name, for a client or for the gateway itself (GATEWAY_LOOKUPS). Rejects with NameLookupError. */
  resolveHost(hostname: string, clientId: string): Promise<LookupAddress[]>
  /** Why a look-up that is under way has not ended: the name servers are silent, or it was not its turn yet. */
  explainDelay(hostname: string): NameLookupError
  /** The addresses did not lead anywhere: they are asked for anew next time. */
  forgetHost(hostname: string): void
}

/** In place of a client: what the gateway connects to by its own settings, which no client's names hold up. */
export const GATEWAY_LOOKUPS = 'gateway'

const WAIT_MS = 5_000
/** How long what was found, and what was not, is remembered. */
const FOUND_SECONDS = { least: 1, most: 30 }
const FAILED_MS = 10_000
const ABSENT_MS = 5_000
const NAMES_MAX = 10_000
const STANDING_MS = 3_600_000
const LIMITS: LookupLimits = {
  fresh: { perClient: 24, total: 192 },
  slow: { perClient: 64, total: 256 },
  slowAfterMs: SLOW_AFTER_MS,
  waiting: 1_000,
}
const GATEWAY_LIMITS: LookupLimits = {
  fresh: { perClient: 64, total: 64 },
  slow: { perClient: 64, total: 64 },
  slowAfterMs: SLOW_AFTER_MS,
  waiting: 1_000,
}
/** Of libuv's four threads, which also read files and compress. */
const SYSTEM_THREADS = 1
const SYSTEM_WAITING = 50

interface HostNamesOptions {
  /** `address` or `address:port`, in place of the name servers of resolv.conf. */
  servers?: readonly string[]
  files?: SystemFilePaths
}

interface LookupUnderWay {
  question: Question
  found: Promise<LookupAddress[]>
}

type Remembered = { addresses: LookupAddress[] } | { error: NameLookupError }

/**
 * Resolves names as the system would, by the hosts file, search domains and DNS, but without the system's own resolver: that
 * one takes one of libuv's four threads for each name, for as long as its name servers are silent. Look-ups are bounded in time
 * and in number, and what they say is remembered for a short time (docs/adr/0045-resolve-names-without-threads.md).
 */
export function createHostNames({ servers = [], files: paths = SYSTEM_FILES }: HostNamesOptions = {}): HostNames {
  const files = watchSystemFiles(paths)
  const memory = new LRUCache<string, Remembered>({ max: NAMES_MAX, ttlAutopurge: false })
  const standings = new LRUCache<string, NameStanding>({ max: NAMES_MAX, ttl: STANDING_MS })
  const limits = limitLookups(LIMITS)
  const gatewayLimits = limitLookups(GATEWAY_LIMITS)
  const underWay = new Map<string, LookupUnderWay>()
  const waiting = new Map<string, Promise<LookupAddress[]>>()
  const askSystem = createSystemFallback()
  const askServers = createQuestions(servers, files)

  const useAnswer = async (name: string, { answer }: Question): Promise<LookupAddress[]> => {
    const told = await answer
    if (told.kind === 'found') return remember(name, told.addresses, told.ttlSeconds)
    const { kind, code } = told
    const addresses = kind === 'absent' && files.hasOtherSources() ? await askSystem(name) : []
    if (addresses.length > 0) return remember(name, addresses, FOUND_SECONDS.least)
    const error = new NameLookupError(name, code)
    if (kind === 'failed') standings.set(name, 'slow')
    if (kind !== 'unasked') memory.set(name, { error }, { ttl: kind === 'absent' ? ABSENT_MS : FAILED_MS })
    throw error
  }
  const remember = (name: string, addresses: LookupAddress[], ttlSeconds: number) => {
    const seconds = Math.min(Math.max(ttlSeconds, FOUND_SECONDS.least), FOUND_SECONDS.most)
    memory.set(name, { addresses }, { ttl: 1000 * seconds })
    standings.set(name, 'found')
    return addresses
  }
  /** The look-up that is under way for the name, whoever asked for it, or a new one. */
  const joinLookup = (name: string): Promise<LookupAddress[]> => {
    const known = recall(name)
    if (known) return known
    const joined = underWay.get(name)
    if (joined) return joined.found
    const question = askServers(name)
    const found = useAnswer(name, question).finally(() => underWay.delete(name))
    underWay.set(name, { question, found })
    return found
  }
  const recall = (name: string): Promise<LookupAddress[]> | undefined => {
    const known = memory.get(name)
    if (!known) return undefined
    return 'error' in known ? Promise.reject(known.error) : Promise.resolve(known.addresses)
  }

  return {
    async resolveHost(hostname, clientId) {
      const name = hostname.toLowerCase()
      const inHosts = files.addressesInHosts(name)
      if (inHosts.length > 0) return [...inHosts]
      const known = recall(name) ?? underWay.get(name)?.found
      if (known) return known
      const key = `${clientId} ${name}`
      const asked = waiting.get(key)
      if (asked) return asked
      const { run } = clientId === GATEWAY_LOOKUPS ? gatewayLimits : limits
      const turn = run(clientId, standings.get(name) ?? 'unknown', () => joinLookup(name))
      if (!turn) throw new NameLookupError(hostname, 'FLO_LOOKUPS_BUSY')
      const answer = limitWaiting(hostname, turn).finally(() => waiting.delete(key))
      waiting.set(key, answer)
      return answer
    },
    explainDelay(hostname) {
      const lookup = underWay.get(hostname.toLowerCase())
      if (!lookup) return new NameLookupError(hostname, 'FLO_LOOKUPS_BUSY')
      return new NameLookupError(hostname, lookup.question.areServersHeard() ? 'ETIMEOUT' : 'FLO_NO_NAME_SERVER')
    },
    forgetHost: (hostname) => void memory.delete(hostname.toLowerCase()),
  }
}

/** Who waits for a turn, and then for the look-up, waits so long at most. */
function limitWaiting(hostname: string, turn: Promise<LookupAddress[]>): Promise<LookupAddress[]> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NameLookupError(hostname, 'FLO_LOOKUPS_BUSY')), WAIT_MS + LOOKUP_MS)
  })
  return Promise.race([turn, late]).finally(() => clearTimeout(timer))
}

/** The system's own resolver, for what DNS does not know where the machine has other sources: few at once, never more. */
function createSystemFallback() {
  const share = { perClient: SYSTEM_THREADS, total: SYSTEM_THREADS }
  // Nothing is slow beside the threads: each holds its own until it ends.
  const none = { perClient: 0, total: 0 }
  const limits = limitLookups({ fresh: share, slow: none, slowAfterMs: LOOKUP_MS, waiting: SYSTEM_WAITING })
  return async (name: string): Promise<LookupAddress[]> => {
    const turn = limits.run('', 'found', () => promisify(systemLookup)(name, { all: true }).catch(() => []))
    return Promise.race([turn ?? [], delay(LOOKUP_MS, [], { ref: false })])
  }
}

/** For Node's own connections: the `lookup` of net, tls and http. */
export const lookupFor =
  ({ resolveHost }: Pick<HostNames, 'resolveHost'>, clientId: string): LookupFunction =>
  (hostname, { all, family }, callback) => {
    resolveHost(hostname, clientId).then(
      (found) => {
        const wanted = found.filter((one) => !family || one.family === Number(String(family).replace('IPv', '')))
        const [first] = wanted
        if (!first) callback(new NameLookupError(hostname, 'ENODATA'), '', 0)
        else if (all) callback(null, wanted)
        else callback(null, first.address, first.family)
      },
      (error) => callback(error, '', 0),
    )
  }
