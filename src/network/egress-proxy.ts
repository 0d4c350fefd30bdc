import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { isAllowedAddress } from './addresses.ts'
import { hasOwnLackCode } from './own-lack.ts'

/** The proxy for outgoing requests: FLO_EGRESS_PROXY, and FLO_EGRESS_NO_PROXY as its exceptions. */
export interface EgressProxy {
  /** `http(s)://[user:password@]host[:port]` */
  url: string
  /** `*`, addresses, subnets, and names, which stand for their subdomains too. */
  exceptions: readonly string[]
}

/** The proxy itself failed: it cannot be reached, is in trouble, or refuses us. The host behind it is not to blame. */
export class ProxyTrouble extends Error {
  override name = 'ProxyTrouble'
}

/** The proxy works, and refuses the host: a rule of the network. */
export class ProxyRefusal extends Error {
  override name = 'ProxyRefusal'
}

/** Connections through a proxy, for as long as the process lives. */
export interface ProxyTunnels {
  /** Whether requests to this host go through the proxy. */
  isForHost(hostname: string): boolean
  /**
   * A connection to the host, through the proxy. Rejects with ProxyTrouble or ProxyRefusal, or with an error of code ETIMEDOUT,
   * ECONNRESET or EHOSTUNREACH: the proxy works, but does not get through to the host.
   */
  openTunnel(hostname: string, port: string): Promise<Socket>
  /** Whether the proxy failed when it was last used. */
  isProxyDown(): boolean
}

const CONNECT_MS = 5_000
const ALIVE_MS = 2_000
/** How long the result of a probe is used. */
const PROBE_HOLDS_MS = 1_000

// A gateway in front of proxies answers these when no proxy is there. They may also be about the host behind the proxy.
const TROUBLE_STATUSES = new Set([502, 503, 504])

/** Tunnels by CONNECT (RFC 9110 9.3.6) through an HTTP or HTTPS proxy, whose name is resolved by `lookup`. */
export function createTunnels({ url, exceptions }: EgressProxy, lookup?: LookupFunction): ProxyTunnels {
  const proxy = { url: new URL(url), lookup }
  let isDown = false
  let lastProbe: { at: number; alive: Promise<boolean> } | undefined

  const isProxyAlive = () => {
    if (!lastProbe || lastProbe.at < performance.now() - PROBE_HOLDS_MS)
      lastProbe = { at: performance.now(), alive: probeProxy(proxy) }
    return lastProbe.alive
  }
  const markDown = (why: string) => {
    isDown = true
    return new ProxyTrouble(`the proxy ${proxy.url.host}: ${why}`)
  }

  const open = async (authority: string): Promise<Socket> => {
    const reply = await requestTunnel(proxy, authority)
    if (reply.kind === 'lacking') throw reply.error
    if (reply.kind === 'unreached') throw markDown(reply.why)
    if (reply.kind === 'connected') {
      isDown = false
      return reply.socket
    }
    // Silence and 5xx may be about the host or about the proxy, so the proxy itself is probed.
    const mayBeIll = reply.kind === 'silent' || TROUBLE_STATUSES.has(reply.status)
    if (mayBeIll && !(await isProxyAlive())) throw markDown('it does not answer, or is in trouble')
    if (reply.kind === 'silent') throw createUnreachedError(reply.code, authority, 'no answer')
    if (asksForCredentials(reply)) throw markDown(`it wants other credentials (${reply.status})`)
    if (reply.status === 429) throw markDown('it has had too many requests (429)')
    isDown = false
    if (reply.status < 500) throw new ProxyRefusal(`the proxy does not lead to ${authority} (${reply.status})`)
    throw createUnreachedError(reply.status === 504 ? 'ETIMEDOUT' : 'EHOSTUNREACH', authority, String(reply.status))
  }

  return {
    isForHost: (hostname) => !exceptions.some((exception) => matchesException(exception, hostname)),
    openTunnel: (hostname, port) => open(`${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`),
    isProxyDown: () => isDown,
  }
}

// Smokescreen answers 407 for hosts that it refuses, without asking for credentials.
const asksForCredentials = ({ status, headers }: { status: number; headers: IncomingHttpHeaders }) =>
  status === 407 && headers['proxy-authenticate'] !== undefined

const createUnreachedError = (code: string, authority: string, answer: string) =>
  Object.assign(new Error(`the proxy did not get through to ${authority}: ${answer}`), { code })

function matchesException(exception: string, hostname: string): boolean {
  if (exception === '*') return true
  if (isIP(hostname)) return isSubnet(exception) && isAllowedAddress(hostname, [toSubnet(exception)])
  const [name, suffix] = [hostname.toLowerCase().replace(/\.$/, ''), exception.toLowerCase().replace(/^\.?/, '.')]
  return name.endsWith(suffix) || (!exception.startsWith('.') && `.${name}` === suffix)
}

const isSubnet = (exception: string) => isIP(exception.replace(/\/.*$/, '')) !== 0
const toSubnet = (exception: string) =>
  exception.includes('/') ? exception : `${exception}/${isIP(exception) === 6 ? 128 : 32}`

type ProxyReply =
  | { kind: 'connected'; socket: Socket }
  | { kind: 'refused'; status: number; headers: IncomingHttpHeaders }
  | { kind: 'silent'; code: string }
  | { kind: 'unreached'; why: string }
  /** It was not tried, for want of something here. */
  | { kind: 'lacking'; error: Error }

interface ProxyAddress {
  url: URL
  lookup: LookupFunction | undefined
}

/** Asks the proxy for a tunnel to `authority`. Never rejects. */
function requestTunnel(proxy: ProxyAddress, authority: string): Promise<ProxyReply> {
  return new Promise((resolve) => {
    const request = createProxyRequest(proxy, { method: 'CONNECT', path: authority, host: authority })
    let reached = false
    const timer = setTimeout(() => {
      resolve(reached ? { kind: 'silent', code: 'ETIMEDOUT' } : { kind: 'unreached', why: 'no connection within 5 s' })
      request.destroy()
    }, CONNECT_MS)
    request.on('socket', (socket) => {
      socket.once(proxy.url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        reached = true
      })
    })
    request.on('connect', ({ statusCode: status = 0, headers }, socket: Socket, head) => {
      clearTimeout(timer)
      if (status < 200 || status >= 300) {
        socket.destroy()
        return resolve({ kind: 'refused', status, headers })
      }
      // Until the caller listens to it, an error must not end the process.
      socket.on('error', () => {})
      if (head.length > 0) socket.unshift(head)
      resolve({ kind: 'connected', socket })
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      if (!reached && hasOwnLackCode(error)) return resolve({ kind: 'lacking', error })
      resolve(
        reached ? { kind: 'silent', code: 'ECONNRESET' } : { kind: 'unreached', why: error.code ?? error.message },
      )
    })
    request.end()
  })
}

/** Whether the proxy answers anything but its own trouble. */
function probeProxy(proxy: ProxyAddress): Promise<boolean> {
  return new Promise((resolve) => {
    const request = createProxyRequest(proxy, { method: 'GET', path: '/', host: proxy.url.host })
    const timer = setTimeout(() => request.destroy(new Error('no answer')), ALIVE_MS)
    request.on('response', ({ statusCode = 0 }) => {
      clearTimeout(timer)
      resolve(!TROUBLE_STATUSES.has(statusCode))
      request.destroy()
    })
    request.on('error', () => {
      clearTimeout(timer)
      resolve(false)
    })
    request.end()
  })
}

function createProxyRequest(
  { url: proxy, lookup }: ProxyAddress,
  { method, path, host }: { method: string; path: string; host: string },
): ClientRequest {
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
      ...((proxy.username || proxy.password) && {
        'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}`,
      }),
    },
    // Each tunnel, and each probe, is a connection of its own.
    agent: false,
    ...(lookup && { lookup }),
    rejectUnauthorized: true,
  } as object)
}
