import { LRUCache } from 'lru-cache'
import { Agent } from 'undici'
import type { ProxyTunnels } from '../../network/egress-proxy.ts'
import type { TlsIdentity } from '../endpoint/endpoint.ts'
import { guardedConnector, type ResolveHost } from './guarded-connector.ts'

/** How many TLS identities keep a pool of connections of their own. */
const IDENTITIES_MAX = 2_000

export interface ConnectionSettings {
  allowedSubnets: readonly string[]
  resolveHost?: ResolveHost
  tunnels?: ProxyTunnels | undefined
}

/** undici's agents: one for all endpoints without a TLS identity of their own, and one for each identity. */
export function createAgentPool({ allowedSubnets, resolveHost, tunnels }: ConnectionSettings) {
  const createAgent = (identity?: TlsIdentity) =>
    new Agent({
      connect: guardedConnector({ allowedSubnets, tunnels, identity, ...(resolveHost && { resolveHost }) }),
      // A deadline watch limits the whole attempt; undici's two timers per request would restart with each chunk.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  const common = createAgent()
  // A connection that one endpoint's certificate has opened must never carry another's deliveries.
  const identified = new LRUCache<string, Agent>({ max: IDENTITIES_MAX, dispose: (agent) => void agent.close() })
  return {
    agentFor(identity: (TlsIdentity & { id: string }) | null): Agent {
      if (!identity) return common
      const { id, ...certificates } = identity
      let agent = identified.get(id)
      if (!agent) {
        agent = createAgent(certificates)
        identified.set(id, agent)
      }
      return agent
    },
    /** Cuts every connection. */
    destroyAll: () => Promise.all([common, ...identified.values()].map((agent) => agent.destroy())),
  }
}
