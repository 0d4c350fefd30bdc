import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Json } from '../../src/domain/json.ts'
import { afterwards } from './afterwards.ts'

export const API_KEY = 'rk_test_of_the_source'

export interface Asked {
  path: string
  query: URLSearchParams
  headers: IncomingHttpHeaders
}

/** What the server does with a request instead of answering it properly. */
export interface Trouble {
  status?: number
  headers?: Record<string, string>
  /** Never answers. */
  hang?: boolean
  /** Answers properly, later; `done` is called then. */
  delayMs?: number
  done?: () => void
  /** Ends the connection without an answer. */
  reset?: boolean
}

const ERRORS: Record<number, { type: string; message: string }> = {
  401: { type: 'invalid_request_error', message: 'Invalid API Key provided: rk_test_****urce' },
  404: { type: 'invalid_request_error', message: 'No such object.' },
  429: { type: 'invalid_request_error', message: 'Too many requests.' },
  500: { type: 'api_error', message: 'Something went wrong.' },
}

/** Speaks Stripe's API for what the gateway reads: objects, lists in pages, the list of events. Closed after the test or file. */
export async function startStripeApi() {
  const asked: Asked[] = []
  const objects = new Map<string, object>()
  const lists = new Map<string, { id: string }[]>()
  const events: Json[] = []
  let trouble: (asked: Asked, count: number) => Trouble | undefined = () => undefined

  const server = createServer(async (incoming, answer) => {
    const { pathname: path, searchParams: query } = new URL(incoming.url ?? '', 'http://stripe')
    const request = { path, query, headers: incoming.headers }
    const count = asked.push(request)
    const told = trouble(request, count)
    if (told?.reset) return incoming.socket.resetAndDestroy()
    if (told?.hang) return
    if (told?.delayMs) await delay(told.delayMs, undefined, { ref: false })
    told?.done?.()
    if (told?.status) return refuse(answer, told.status, told.headers)
    if (incoming.headers.authorization !== `Bearer ${API_KEY}`) return refuse(answer, 401)
    const list = path === '/v1/events' ? matching(events, query) : lists.get(path)
    const found = list
      ? pageOf(list, path, query)
      : (objects.get(`${incoming.headers['stripe-account']} ${path}`) ??
        objects.get(path) ??
        events.find(({ id }) => path === `/v1/events/${id}`))
    if (!found) return refuse(answer, 404)
    answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(found))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Every request, in the order of arrival. */
    asked,
    paths: () => asked.map(({ path }) => path),
    /** By path; where a connected account has another object there, also by `acct_1 <path>`. */
    objects,
    lists,
    /** The account's events, in any order. */
    events,
    /** From the next request on; nothing said: all is well. */
    behave(next: typeof trouble = () => undefined) {
      trouble = next
    },
  }
}

function refuse(answer: ServerResponse, status: number, headers: Record<string, string> = {}) {
  answer.writeHead(status, { 'content-type': 'application/json', ...headers })
  answer.end(JSON.stringify({ error: ERRORS[status] ?? { type: 'api_error', message: 'Trouble.' } }))
}

function pageOf(list: readonly { id: string }[], url: string, query: URLSearchParams) {
  const after = query.get('starting_after')
  const from = after === null ? 0 : list.findIndex(({ id }) => id === after) + 1
  const limit = Number(query.get('limit') ?? 10)
  return { object: 'list', url, data: list.slice(from, from + limit), has_more: from + limit < list.length }
}

/** The newest first, as Stripe lists them. */
function matching(events: readonly Json[], query: URLSearchParams) {
  const types = query.getAll('types[]')
  const bound = (name: string, otherwise: number) => Number(query.get(`created[${name}]`) ?? otherwise)
  const success = query.get('delivery_success')
  return events
    .filter(({ created }) => created >= bound('gte', 0) && created < bound('lt', Number.POSITIVE_INFINITY))
    .filter(({ type }) => types.length === 0 || types.includes(type))
    .filter(({ undelivered }) => success === null || (success === 'false') === (undelivered === true))
    .toSorted((a, b) => b.created - a.created)
}
