import { Agent, request } from 'node:http'
import { isProcessAlive } from '../../src/embedded-postgres/pid-file.ts'
import { afterwards } from './afterwards.ts'
import { eventually } from './eventually.ts'
import { environment, temporaryFolder } from './gateway.ts'
import { call, runGateway } from './program.ts'
import { signed } from './stripe.ts'
import { WHSEC } from './way.ts'

/** Few connections to the database for each process: several of them share the server of a test run. */
const FEW_CONNECTIONS = { FLO_INGEST_CONNECTIONS: '4', FLO_WORK_CONNECTIONS: '6', FLO_API_CONNECTIONS: '2' }
const ADMIN_KEY = 'admin-key-of-the-tests'

/** A gateway of several processes on the database of `url`, or an embedded one in `folder`, and what can be done to it. */
export async function runSeveral(
  { url, folder }: { url?: string; folder?: string },
  processes: number,
  env: Record<string, string> = {},
) {
  const settings = { ...FEW_CONNECTIONS, LOG_LEVEL: 'info', FLO_PROCESSES: String(processes), ...env }
  const inFolder = folder ?? (await temporaryFolder())
  const program = runGateway(
    inFolder,
    url === undefined ? { FLO_ADMIN_KEY: ADMIN_KEY, ...settings } : environment(url, settings),
  )
  /** The lines of its log with this message. */
  const logged = (message: string) =>
    program.said.stderr.split('\n').flatMap((line) => {
      if (!line.startsWith('{') || !line.endsWith('}')) return []
      const entry = JSON.parse(line)
      return entry.msg === message ? [entry] : []
    })
  return {
    ...program,
    folder: inFolder,
    logged,
    /** The process ids of its children by their names, the last one of each. */
    pids: () =>
      eventually(() => {
        const ready = logged('process.ready').map(({ child, childPid }) => [child, childPid])
        const pids: Record<string, number> = Object.fromEntries(ready)
        return Object.keys(pids).length === processes && pids
      }),
    /** One request to its management API, over a connection of its own. */
    async api(method: string, path: string, body?: unknown, key = ADMIN_KEY) {
      return call({ url: await program.listening(), key }, method, path, body)
    },
  }
}

/** Waits until none of these processes lives. */
export const untilGone = (pids: readonly number[]) => eventually(() => pids.every((pid) => !isProcessAlive(pid)))

/** Connections that stay open, each of which is one child's: as many as there are agents. */
export function keptConnections(count: number): Agent[] {
  const agents = Array.from({ length: count }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  afterwards(async () => {
    for (const agent of agents) agent.destroy()
  })
  return agents
}

/** One request over the connection of `agent`, or one of its own; the status, or why there is none. */
export function requestOver(
  agent: Agent | false,
  url: string,
  { body, ...asked }: { method?: string; headers: Record<string, string>; body?: string },
): Promise<number | string> {
  return new Promise((resolve) => {
    const sent = request(url, { ...asked, agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0))
    })
    sent.once('error', ({ message }) => resolve(message)).end(body)
  })
}

/** Posts a webhook that the source of `layWay` has signed. */
export function postOver(
  agent: Agent | false,
  { url, sourceId, body }: { url: string; sourceId: string; body: string },
) {
  const headers = { 'content-type': 'application/json', 'stripe-signature': signed(body, WHSEC) }
  return requestOver(agent, `${url}/webhooks/stripe/${sourceId}`, { method: 'POST', headers, body })
}
