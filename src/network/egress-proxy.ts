import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type Socket } from 'node:net'
import { opened } from './addresses.ts'

/** Where requests leave through: FLO_EGRESS_PROXY, but for the hosts of FLO_EGRESS_NO_PROXY. */
export interface EgressProxy {
  /** `http(s)://[user:password@]host[:port]` */
  url: string
  /** `*`, addresses, subnets, and names, which stand for their subdomains too. */
  exceptions: readonly string[]
}

/** The proxy did not do its part: it cannot be reached, is itself in trouble, or refuses us. No fault of the other end. */
export class ProxyTrouble extends Error {
  override name = 'ProxyTrouble'
}

/** The proxy does its part, and will not lead there: a rule of the network's. */
export class ProxyRefusal extends Error {
  override name = 'ProxyRefusal'
}

/** The way through a proxy, for as long as the process lives. */
export interface Tunnels {
  /** Whether requests to this host go through the proxy. */
  leadTo(hostname: string): boolean
  /**
   * A connection to the host, through the proxy. Rejects with ProxyTrouble or ProxyRefusal, or with an error of code ETIMEDOUT,
   * ECONNRESET or EHOSTUNREACH: the proxy is well, but does not get through to the host.
   */
  open(hostname: string, port: string): Promise<Socket>
  /** Whether the proxy was out when it was last asked for anything. */
  isOut(): boolean
}

const CONNECT_MS = 5_000
const ALIVE_MS = 2_000
/** So long an answer to "are you well?" holds. */
const ASK_AGAIN_MS = 1_000

// What a gateway in front of proxies answers when none of them is there; of the host behind the proxy they may speak as well.
const IN_TROUBLE = new Set([502, 503, 504])

/** Tunnels by CONNECT (RFC 9110 9.3.6) through an HTTP or HTTPS proxy. */
export function tunnelsThrough({ url, exceptions }: EgressProxy): Tunnels {
  const proxy = new URL(url)
  let out = false
  let asked: { at: number; alive: Promise<boolean> } | undefined

  const isAlive = () => {
    if (!asked || asked.at < performance.now() - ASK_AGAIN_MS) asked = { at: performance.now(), alive: answers(proxy) }
    return asked.alive
  }
  const troubled = (why: string) => {
    out = true
    return new ProxyTrouble(`the proxy ${proxy.host}: ${why}`)
  }

  const open = async (authority: string): Promise<Socket> => {
    const reply = await askedFor(proxy, authority)
    if (reply.kind === 'unreached') throw troubled(reply.why)
    if (reply.kind === 'connected') {
      out = false
      return reply.socket
    }
    // Silence and 5xx may be said of the host or of the proxy: so it is asked how it is itself.
    const mayBeIll = reply.kind === 'silent' || IN_TROUBLE.has(reply.status)
    if (mayBeIll && !(await isAlive())) throw troubled('it does not answer, or is in trouble')
    if (reply.kind === 'silent') throw notThrough(reply.code, authority, 'no answer')
    if (asksForCredentials(reply)) throw troubled(`it wants other credentials (${reply.status})`)
    if (reply.status === 429) throw troubled('it has had too many requests (429)')
    out = false
    if (reply.status < 500) throw new ProxyRefusal(`the proxy does not lead to ${authority} (${reply.status})`)
    throw notThrough(reply.status === 504 ? 'ETIMEDOUT' : 'EHOSTUNREACH', authority, String(reply.status))
  }

  return {
    leadTo: (hostname) => !exceptions.some((exception) => fits(exception, hostname)),
    open: (hostname, port) => open(`${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`),
    isOut: () => out,
  }
}

// Smokescreen says 407 of hosts that it does not lead to, without asking for anything.
const asksForCredentials = ({ status, headers }: { status: number; headers: IncomingHttpHeaders }) =>
  status === 407 && headers['proxy-authenticate'] !== undefined

const notThrough = (code: string, authority: string, said: string) =>
  Object.assign(new Error(`the proxy did not get through to ${authority}: ${said}`), { code })

function fits(exception: string, hostname: string): boolean {
  if (exception === '*') return true
  if (isIP(hostname)) return isSubnet(exception) && opened(hostname, [subnetOf(exception)])
  const [name, suffix] = [hostname.toLowerCase().replace(/\.$/, ''), exception.toLowerCase().replace(/^\.?/, '.')]
  return name.endsWith(suffix) || (!exception.startsWith('.') && `.${name}` === suffix)
}

const isSubnet = (exception: string) => isIP(exception.split('/')[0]!) !== 0
const subnetOf = (exception: string) =>
  exception.includes('/') ? exception : `${exception}/${isIP(exception) === 6 ? 128 : 32}`

type Reply =
  | { kind: 'connected'; socket: Socket }
  | { kind: 'refused'; status: number; headers: IncomingHttpHeaders }
  | { kind: 'silent'; code: string }
  | { kind: 'unreached'; why: string }

/** Asks the proxy for a tunnel to `authority`. Never rejects. */
function askedFor(proxy: URL, authority: string): Promise<Reply> {
  return new Promise((resolve) => {
    const request = toProxy(proxy, { method: 'CONNECT', path: authority, host: authority })
    let reached = false
    const timer = setTimeout(() => {
      resolve(reached ? { kind: 'silent', code: 'ETIMEDOUT' } : { kind: 'unreached', why: 'no connection within 5 s' })
      request.destroy()
    }, CONNECT_MS)
    request.on('socket', (socket) => {
      socket.once(proxy.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        reached = true
      })
    })
    request.on('connect', ({ statusCode: status = 0, headers }, socket: Socket, head) => {
      clearTimeout(timer)
      if (status < 200 || status >= 300) {
        socket.destroy()
        return resolve({ kind: 'refused', status, headers })
      }
      // Whoever takes it listens by itself; until then a break must not end the process.
      socket.on('error', () => {})
      if (head.length > 0) socket.unshift(head)
      resolve({ kind: 'connected', socket })
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      resolve(
        reached ? { kind: 'silent', code: 'ECONNRESET' } : { kind: 'unreached', why: error.code ?? error.message },
      )
    })
    request.end()
  })
}

/** Whether the proxy answers anything at all that is not about its own trouble. */
function answers(proxy: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const request = toProxy(proxy, { method: 'GET', path: '/', host: proxy.host })
    const timer = setTimeout(() => request.destroy(new Error('no answer')), ALIVE_MS)
    request.on('response', ({ statusCode = 0 }) => {
      clearTimeout(timer)
      resolve(!IN_TROUBLE.has(statusCode))
      request.destroy()
    })
    request.on('error', () => {
      clearTimeout(timer)
      resolve(false)
    })
    request.end()
  })
}

function toProxy(proxy: URL, { method, path, host }: { method: string; path: string; host: string }): ClientRequest {
  const request = proxy.protocol === 'https:' ? httpsRequest : httpRequest
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`
  return request({
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    method,
    path,
    setHost: false,
    headers: {
      host,
      ...(proxy.username && { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
    },
    // Each tunnel is a connection of its own, and one that is asked how it is too.
    agent: false,
    rejectUnauthorized: true,
  } as object)
}
