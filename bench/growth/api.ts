import { contracts, mappings } from '../../mappings/index.ts'
import type { ApiDeps, ExplanationPart } from '../../src/api/http/api-deps.ts'
import type { Route } from '../../src/api/http/route.ts'
import { declareRoutes } from '../../src/api/routes.ts'
import type { Queryable } from '../../src/database/db.ts'
import { resendDelivery } from '../../src/deliver/resend.ts'
import { explainPage } from '../../src/normalize/explain/explain.ts'
import { previewReplay } from '../../src/replay/preview.ts'
import { keys } from '../seed.ts'

const currentTime = () => new Date()

// No more than what is asked here needs.
const deps = {
  keyRing: keys,
  contracts,
  now: currentTime,
  resendDelivery,
  loadAdoptedUuids: async () => () => null,
  describeMappings: () => ({}),
  explainSourceEvent: (db: Queryable, clientId: string, id: string, page: ExplanationPart) =>
    explainPage({ db, mappings, now: currentTime }, clientId, id, page),
  previewReplay: (tx: Queryable, clientId: string, asked: Parameters<typeof previewReplay>[3]) =>
    previewReplay({ contracts, now: currentTime }, tx, clientId, asked),
  wakes: { normalize() {}, deliver() {}, hydrate() {}, backfill() {}, replay() {}, erase() {}, route() {} },
} satisfies Partial<ApiDeps>
// Routes whose dependency is not given are declared and never asked.
const declared = declareRoutes(deps as Partial<ApiDeps> as ApiDeps)

/** A request to the management API. */
export interface Asked {
  method?: Route['method']
  path: string
  clientId: string
  params?: Record<string, string>
  query?: Record<string, unknown>
  body?: Record<string, unknown>
}

/** Answers it as the API does behind authentication, on one connection. */
export async function timeAnswer(
  db: Queryable,
  { method = 'get', path, clientId, params = {}, query = {}, body = {} }: Asked,
) {
  const route = declared.find((one) => one.method === method && one.path === path)
  if (!route) throw new Error(`There is no ${method} ${path}.`)
  const page = { limit: 50, order: 'desc', ...query }
  return route.answerCall({ db, clientId, query: page, params, body, afterCommit: () => {} } as never)
}

/** Lists of clients' things that nobody asks for: a new list needs a case. */
export const dropCaches = (asked: readonly string[]): string[] =>
  declared
    .filter(({ isList: list, client, path }) => list && client !== 'none' && !asked.includes(path))
    .map(({ path }) => path)
