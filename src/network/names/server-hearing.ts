import { setTimeout as delay } from 'node:timers/promises'
import { type DnsAnswer, type DnsResolvers, isRootKnown, queryAddresses } from './query-dns.ts'

/** How often the name servers are asked for what they must know, and how long they may take for it. */
const CHECK_AGAIN_MS = 500
const CHECK_MS = 2_000

/** Names of the machine's own domains, which a near server may know while it reaches no others. */
export type NameScope = 'inner' | 'outer'

/**
 * Whether the name servers of this machine answer at all: when they do not, a look-up that fails says nothing of its name. One
 * that refuses or fails has nobody to ask itself, and counts as silent; that a name does not exist is an answer.
 */
export interface ServerHearing {
  noteAnswer(name: string, scope: NameScope, answer: DnsAnswer): void
  /**
   * Whether they answer from now on, for any other name: where nobody else asks, they are asked for what they must know, the
   * root of all names and the name that was found last. Never rejects.
   */
  checkServers(scope: NameScope): Promise<boolean>
}

export function listenToServers(currentResolvers: () => DnsResolvers): ServerHearing {
  const heardAt = { inner: Number.NEGATIVE_INFINITY, outer: Number.NEGATIVE_INFINITY }
  const lastFound: { [Scope in NameScope]?: string } = {}
  let check: { at: number; ended: Promise<unknown> } | undefined

  const noteHeard = (scope: NameScope) => {
    heardAt.inner = performance.now()
    if (scope === 'outer') heardAt.outer = heardAt.inner
  }
  const noteAnswer = (name: string, scope: NameScope, { kind, isHeard }: DnsAnswer) => {
    if (isHeard) noteHeard(scope)
    if (kind === 'found') lastFound[scope] = name
  }
  const askAgain = async (scope: NameScope) => {
    const name = lastFound[scope]
    if (name !== undefined) noteAnswer(name, scope, await queryAddresses(currentResolvers(), name))
  }
  const askRoot = async () => {
    if (await isRootKnown(currentResolvers())) noteHeard('outer')
  }
  const askAll = () =>
    Promise.race([
      Promise.all([askRoot(), askAgain('inner'), askAgain('outer')]),
      delay(CHECK_MS, undefined, { ref: false }),
    ])
  return {
    noteAnswer,
    async checkServers(scope) {
      const from = performance.now()
      if (!check || check.at < from - CHECK_AGAIN_MS) check = { at: from, ended: askAll() }
      const { at, ended } = check
      await ended
      return heardAt[scope] >= at
    },
  }
}
