import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { LookupFunction } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'
import Stripe from 'stripe'
import type { Json } from '../domain/json.ts'
import type { ProxyTunnels } from './egress-proxy.ts'

/** What a call to Stripe is made with. */
export interface StripeCredentials {
  apiKey: string
  /** `2026-10-28.endive`; null: the newest that the stripe package knows. */
  apiVersion: string | null
  /** A connected account (`acct_...`), or the context that a thin event names; '': the account of the key. */
  account: string
}

/** How a call ended. Stripe being down is an ordinary day, not an exception. */
export type StripeReply =
  /** `at`: the time of the answer, by Stripe's clock where it says so. */
  | { kind: 'found'; object: Json; at: Date }
  /** Stripe has nothing of this id (any more). */
  | { kind: 'absent'; code: 'not_found'; message: string }
  /** Another try would not help: the key may not read it, or Stripe does not understand the request. */
  | { kind: 'refused'; code: 'api_key_refused' | 'permission_missing' | 'request_refused'; message: string }
  /** Another try may help, not before `retryAfterSeconds` where Stripe says so. */
  | { kind: 'trouble'; code: 'rate_limited' | 'stripe_unavailable'; message: string; retryAfterSeconds: number | null }

export interface StripeApi {
  /** Reads one object. `path` begins with /v1/ or /v2/ and may have a query. Never throws. */
  readObject(credentials: StripeCredentials, path: string): Promise<StripeReply>
  /** Reads a list to its end, as one object with all of its `data`. Never throws. */
  readList(credentials: StripeCredentials, path: string): Promise<StripeReply>
}

const TIMEOUT_MS = 10_000
const PAGE = 100
/** More than Stripe's largest invoices have. */
const MOST_PAGES = 100

/**
 * Stripe's API, for what a webhook does not carry, through the stripe package; `base` is its URL. It retries nothing: the caller
 * counts and waits. Objects come as the API version says, untouched by the package's types.
 */
export function createStripeApi({
  base,
  tunnels,
  lookup,
  timeoutMs = TIMEOUT_MS,
}: {
  base: string
  tunnels?: ProxyTunnels | undefined
  /** How its name is resolved, where the connection is direct. */
  lookup?: LookupFunction
  timeoutMs?: number
}): StripeApi {
  const { protocol, hostname, port } = new URL(base)
  const stripe = new Stripe('each call brings its own', {
    protocol: protocol === 'http:' ? 'http' : 'https',
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port || (protocol === 'http:' ? 80 : 443),
    maxNetworkRetries: 0,
    timeout: timeoutMs,
    telemetry: false,
    httpClient: refuseBareValues(
      Stripe.createNodeHttpClient(
        createAgent({
          tunnels: tunnels?.isForHost(hostname) ? tunnels : undefined,
          lookup,
          isPlain: protocol === 'http:',
        }),
      ),
    ),
    appInfo: { name: 'flo-gateway' },
  })

  const get: StripeApi['readObject'] = async ({ apiKey, apiVersion, account }, path) => {
    try {
      const object: Json = await limitTime(
        stripe.rawRequest('GET', path, undefined, {
          apiKey,
          ...(apiVersion ? { apiVersion } : {}),
          ...(account.startsWith('acct_') ? { stripeAccount: account } : account ? { stripeContext: account } : {}),
        }),
        timeoutMs,
      )
      const { statusCode, headers } = object.lastResponse
      if (statusCode >= 300) return replyToStatus(statusCode, headers)
      const at = new Date(headers.date ?? Number.NaN)
      return { kind: 'found', object, at: Number.isNaN(at.getTime()) ? new Date() : at }
    } catch (error) {
      return replyToError(error as Partial<Stripe.errors.StripeError>)
    }
  }

  return {
    readObject: get,
    async readList(credentials, path) {
      const data: Json[] = []
      for (let pages = 1; ; pages++) {
        const last = data.at(-1)?.id
        const page = await get(
          credentials,
          `${path}?limit=${PAGE}${last ? `&starting_after=${encodeURIComponent(last)}` : ''}`,
        )
        if (page.kind !== 'found') return page
        if (!Array.isArray(page.object.data)) return replyToStatus(200, {})
        data.push(...page.object.data)
        const more = page.object.has_more === true && page.object.data.length > 0 && pages < MOST_PAGES
        if (!more) return { ...page, object: { ...page.object, data } }
      }
    },
  }
}

/**
 * Connections for the stripe package, through the proxy where there is one. That the certificate is verified is said here:
 * NODE_TLS_REJECT_UNAUTHORIZED of the environment must not give the API key to whoever is in between.
 */
function createAgent({
  tunnels,
  lookup,
  isPlain,
}: {
  tunnels: ProxyTunnels | undefined
  lookup: LookupFunction | undefined
  isPlain: boolean
}): HttpAgent {
  const verified = { rejectUnauthorized: true }
  const options = { keepAlive: true, ...verified, ...(lookup && { lookup }) }
  const agent = isPlain ? new HttpAgent(options) : new HttpsAgent(options)
  if (!tunnels) return agent
  agent.createConnection = (target, callback) => {
    const { host = '', port } = target as { host?: string; port?: number }
    tunnels.openTunnel(host, String(port)).then(
      (socket) =>
        callback?.(
          null,
          isPlain ? socket : connect({ servername: host, ...(target as ConnectionOptions), ...verified, socket }),
        ),
      (error) => callback?.(error, undefined as never),
    )
    return undefined as never
  }
  return agent
}

/**
 * An answer that is JSON and no object (`5`, `"x"`, null) is refused as no answer: the stripe package writes on what it gets, where
 * nobody catches what that throws, and the process would end.
 */
function refuseBareValues(client: Stripe.HttpClient): Stripe.HttpClient {
  return {
    getClientName: () => client.getClientName(),
    async makeRequest(...request) {
      const response = await client.makeRequest(...request)
      const readJson = response.toJSON.bind(response)
      response.toJSON = async () => {
        const answer: Json = await readJson()
        if (typeof answer !== 'object' || answer === null) throw new Error('The answer is no object.')
        return answer
      }
      return response
    },
  }
}

/** The time-out of the stripe package starts again with each byte that arrives. */
function limitTime<T>(call: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no whole answer within ${ms / 1000} s`)), ms)
  })
  return Promise.race([call, late]).finally(() => clearTimeout(timer))
}

type ResponseHeaders = Record<string, string | undefined>

function replyToError(error: Partial<Stripe.errors.StripeError>): StripeReply {
  const { statusCode, headers = {}, message = '' } = error
  // Stripe's own message may contain the key.
  if (statusCode === 401)
    return { kind: 'refused', code: 'api_key_refused', message: 'Stripe refuses the API key (401).' }
  if (statusCode === 403)
    return {
      kind: 'refused',
      code: 'permission_missing',
      message: 'The API key may not read this (403): give it the permission.',
    }
  if (statusCode === 404) return { kind: 'absent', code: 'not_found', message: 'Stripe has nothing of this id (404).' }
  if (statusCode === undefined)
    return createTroubleReply('stripe_unavailable', `Stripe cannot be reached: ${shortenMessage(message)}`, headers)
  return replyToStatus(statusCode, headers as ResponseHeaders, message)
}

/** To the last whole character. */
const shortenMessage = (message: string): string => message.slice(0, 200).replace(/[\uD800-\uDBFF]$/, '')

function replyToStatus(status: number, headers: ResponseHeaders, message = ''): StripeReply {
  if (status === 429) return createTroubleReply('rate_limited', 'Stripe has had too many requests (429).', headers)
  if (status >= 500) return createTroubleReply('stripe_unavailable', `Stripe is in trouble (${status}).`, headers)
  if (status === 409)
    return createTroubleReply('stripe_unavailable', 'Another request holds this object (409).', headers)
  const explanation = message ? `: ${shortenMessage(message)}` : '.'
  return { kind: 'refused', code: 'request_refused', message: `Stripe gives no such answer (${status})${explanation}` }
}

const createTroubleReply = (
  code: 'rate_limited' | 'stripe_unavailable',
  message: string,
  headers: ResponseHeaders,
): StripeReply => {
  const seconds = Number(headers['retry-after'])
  return {
    kind: 'trouble',
    code,
    message,
    retryAfterSeconds: Number.isFinite(seconds) && seconds >= 0 ? seconds : null,
  }
}
