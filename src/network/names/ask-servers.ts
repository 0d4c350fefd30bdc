import type { LookupAddress } from 'node:dns'
import { setTimeout as delay } from 'node:timers/promises'
import { createDnsResolvers, queryAddresses } from './query-dns.ts'
import { listenToServers } from './server-hearing.ts'
import type { SystemFiles } from './system-files.ts'

/** From when on a look-up takes long, and when it is given up. */
export const SLOW_AFTER_MS = 300
export const LOOKUP_MS = 5_000
/** What is given up so late was held up by this process: paused, or busy with something else. */
const STALL_MS = 500

/** What cannot be asked of anybody: ECONNREFUSED; FLO_NO_NAME_SERVER: the name servers know no answer for any name. */
const NOBODY_ASKED = new Set(['ECONNREFUSED', 'ENOMEM', 'FLO_NO_NAME_SERVER'])

type Answer =
  | { kind: 'found'; addresses: LookupAddress[]; ttlSeconds: number }
  /** By Node's codes, or FLO_NO_NAME_SERVER. `unasked`: it says nothing of the name. */
  | { kind: 'absent' | 'failed' | 'unasked'; code: string }

/** A name that is being asked for. */
export interface Question {
  /** Settles after LOOKUP_MS, or little later; never rejects. */
  answer: Promise<Answer>
  /** Whether the name servers answer for other names: asked once this one takes long, and not known at once. */
  areServersHeard(): boolean
}

/** Asks the name servers of this machine, or `servers`, for a name as it stands and in the search domains. */
export function createQuestions(servers: readonly string[], files: SystemFiles): (name: string) => Question {
  let dns = { resolvers: createDnsResolvers(servers), version: files.resolvConfVersion() }
  const currentResolvers = () => {
    const version = files.resolvConfVersion()
    if (version !== dns.version) dns = { resolvers: createDnsResolvers(servers), version }
    return dns.resolvers
  }
  const hearing = listenToServers(currentResolvers)

  /** In the order of resolv.conf. */
  const askInTurn = async (name: string): Promise<Answer> => {
    const until = performance.now() + LOOKUP_MS
    let failure: string | undefined
    for (const full of files.namesToAsk(name)) {
      if (performance.now() > until) break
      const answer = await queryAddresses(currentResolvers(), full)
      hearing.noteAnswer(full, files.scopeOf(full), answer)
      if (answer.kind === 'found') return answer
      if (answer.kind === 'failed') failure ??= answer.code
    }
    return failure === undefined ? { kind: 'absent', code: 'ENOTFOUND' } : { kind: 'failed', code: failure }
  }

  return (name) => {
    let areHeard = false
    const checkServers = async () => {
      areHeard = await hearing.checkServers(files.scopeOf(name))
      return areHeard
    }
    const begun = performance.now()
    const askBounded = async (): Promise<Answer> => {
      const asked = Promise.race([
        askInTurn(name),
        delay(LOOKUP_MS, { kind: 'failed', code: 'ETIMEOUT' } as const, { ref: false }),
      ])
      const isSlow = await Promise.race([asked.then(() => false), delay(SLOW_AFTER_MS, true, { ref: false })])
      const check = isSlow ? checkServers() : undefined
      const answer = await asked
      if (answer.kind !== 'failed') return answer
      if (NOBODY_ASKED.has(answer.code)) return { kind: 'unasked', code: answer.code }
      if (performance.now() - begun > LOOKUP_MS + STALL_MS) return { kind: 'unasked', code: 'FLO_LOOKUPS_BUSY' }
      return (await (check ?? checkServers())) ? answer : { kind: 'unasked', code: 'FLO_NO_NAME_SERVER' }
    }
    return { answer: askBounded(), areServersHeard: () => areHeard }
  }
}
