import { LRUCache } from 'lru-cache'
import type { Agent } from 'undici'
import type { ProxyTunnels } from '../../network/egress-proxy.ts'
import type { HostNames } from '../../network/names/host-names.ts'
import type { TlsIdentity } from '../endpoint/endpoint.ts'
import { guardedConnector } from './guarded-connector.ts'
import { createReceiverAgent } from './receiver-client.ts'

/** How many TLS identities keep a pool of connections of their own. */
const IDENTITIES_MAX = 2_000

export interface ConnectionSettings {
  allowedSubnets: readonly string[]
  names: HostNames
  tunnels?: ProxyTunnels | undefined
}

/** Where requests of one TLS identity are sent by: `kept` uses connections again, `fresh` opens one for each request. */
export interface AgentPair {
  kept: Agent
  fresh: Agent
}

/** undici's agents: a pair for all endpoints without a TLS identity of their own, and one for each identity. */
export function createAgentPool(settings: ConnectionSettings) {
  const createPair = (identity?: TlsIdentity): AgentPair => {
    const connect = guardedConnector({ ...settings, identity })
    return {
      kept: createReceiverAgent(connect, { keepAlive: true }),
      fresh: createReceiverAgent(connect, { keepAlive: false }),
    }
  }
  const common = createPair()
  // A connection that one endpoint's certificate has opened must never carry another's deliveries.
  const identified = new LRUCache<string, AgentPair>({
    max: IDENTITIES_MAX,
    dispose: ({ kept, fresh }) => {
      kept.close()
      fresh.close()
    },
  })
  return {
    agentsFor(identity: (TlsIdentity & { id: string }) | null): AgentPair {
      if (!identity) return common
      const { id, ...certificates } = identity
      let agents = identified.get(id)
      if (!agents) {
        agents = createPair(certificates)
        identified.set(id, agents)
      }
      return agents
    },
    /** Cuts every connection. */
    destroyAll: () =>
      Promise.all([common, ...identified.values()].flatMap(({ kept, fresh }) => [kept.destroy(), fresh.destroy()])),
  }
}
