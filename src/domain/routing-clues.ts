import type { Json } from './json.ts'
import { idInRealm, type Realm } from './realm.ts'
import { ROUTING_KEY, type RoutedBy, type Routing } from './routing.ts'

/** An object of Stripe's that an event names. */
export interface NamedObject {
  kind: string
  id: string
  /** The id in its account and mode. */
  key: string
}

/** What an event says of whose it is. */
export interface RoutingClues {
  /** It belongs to nobody: what all clients of the source share, or what is the operator's alone. */
  isShared: boolean
  /** The values that name a client, and where each stands. */
  names: RoutedBy[]
  /** The objects that it names: an earlier event may have told whose they are. */
  objects: NamedObject[]
  /** Why nothing will ever tell; undefined: something may. */
  dead?: string
}

/** Stripe objects by whose client an event is known, and where Stripe's API has them. */
const OBJECT_PATHS: Readonly<Record<string, string>> = {
  customer: '/v1/customers/',
  subscription: '/v1/subscriptions/',
  invoice: '/v1/invoices/',
  payment_intent: '/v1/payment_intents/',
  charge: '/v1/charges/',
  'checkout.session': '/v1/checkout/sessions/',
  refund: '/v1/refunds/',
  credit_note: '/v1/credit_notes/',
}

/** Fields that name one of them, wherever in an object they stand. */
const FIELD_KINDS: ReadonlyMap<string, string> = new Map([
  ['customer', 'customer'],
  ['customer_account', 'customer_account'],
  ['subscription', 'subscription'],
  ['invoice', 'invoice'],
  ['latest_invoice', 'invoice'],
  ['payment_intent', 'payment_intent'],
  ['charge', 'charge'],
  ['latest_charge', 'charge'],
  ['refund', 'refund'],
  ['credit_note', 'credit_note'],
  ['checkout_session', 'checkout.session'],
])

/**
 * Stripe objects that belong to no customer of anybody: the catalog, which all clients of a source know, and what concerns the
 * operator's account itself. A promotion code may be made for one customer.
 */
const SHARED_KINDS: ReadonlySet<string> = new Set([
  ...['product', 'price', 'plan', 'coupon', 'promotion_code', 'tax_rate', 'shipping_rate', 'payment_link', 'sku'],
  ...['entitlements.feature', 'billing.meter', 'billing_portal.configuration', 'tax.settings', 'product_feature'],
  ...['account', 'application', 'balance', 'balance_settings', 'balance_transaction', 'capability', 'person', 'payout'],
  ...['bank_account', 'external_account', 'topup', 'transfer', 'application_fee', 'fee_refund', 'reserve_transaction'],
  ...['file', 'file_link', 'reporting.report_run', 'reporting.report_type', 'scheduled_query_run', 'apps.secret'],
  ...['climate.order', 'climate.product', 'terminal.reader', 'terminal.location', 'test_helpers.test_clock'],
])

/** What an event says of its client. `realm`: the account that it is about, and its mode. */
export function readRoutingClues(event: Json, routing: Routing, realm: Required<Realm>): RoutingClues {
  if (realm.account !== '') return cluesOfAccount(routing, realm.account)
  const object = event?.data?.object ?? relatedObjectOf(event)
  const kind = kindOf(object, event?.type)
  const found = new Map<string, string>()
  collectObjects(object, kind, found)
  const objects = [...found].map(([id, kindOfIt]) => ({ kind: kindOfIt, id, key: idInRealm(realm, id) }))
  if (SHARED_KINDS.has(kind) && objects.length === 0) return { isShared: true, names: [], objects: [] }
  if (!routing.by.includes('metadata'))
    return deadEnd('It is of the own account, and the source routes by connected accounts alone.')
  const names = namesIn(object, kind, routing.key ?? ROUTING_KEY)
  if (names.length === 0 && objects.length === 0)
    return deadEnd(`A ${kind || 'thing'} without metadata, and of no customer.`)
  return { isShared: false, names, objects }
}

/** What an object that was looked up at Stripe says: of its own metadata, and of further objects. */
export function readFetchedClues(object: Json, routing: Routing, realm: Required<Realm>): RoutingClues {
  return readRoutingClues({ data: { object } }, { ...routing, by: ['metadata'] }, realm)
}

/** The path of an object in Stripe's API; null: it has none. */
export const lookupPathOf = ({ kind, id }: NamedObject): string | null =>
  Object.hasOwn(OBJECT_PATHS, kind) ? `${OBJECT_PATHS[kind]}${encodeURIComponent(id)}` : null

/** A connected account can write what it likes on its objects: nothing but the account is believed. */
function cluesOfAccount({ by }: Routing, account: string): RoutingClues {
  if (!by.includes('account'))
    return deadEnd(
      'It is of a connected account, whose metadata is not believed, and the source does not route by account.',
    )
  return { isShared: false, names: [{ by: 'account', name: fitName(account), of: 'account' }], objects: [] }
}

const deadEnd = (dead: string): RoutingClues => ({ isShared: false, names: [], objects: [], dead })

/** A thin event names its object; what it is stands in `type`. */
const relatedObjectOf = (event: Json): Json => {
  const related = event?.related_object
  return isFields(related) ? { id: related.id, object: related.type } : {}
}

// Some recorded stubs carry no `object`; the type names it.
function kindOf(object: Json, type: unknown): string {
  if (typeof object?.object === 'string') return fitText(object.object, MAX_KIND_LENGTH)
  const family = typeof type === 'string' ? type.slice(0, Math.max(0, type.lastIndexOf('.'))) : ''
  return family === 'customer.subscription' ? 'subscription' : fitText(family, MAX_KIND_LENGTH)
}

const MAX_KIND_LENGTH = 100

const isFields = (value: unknown): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isId = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= 255 && !value.includes('\0') && value.isWellFormed()

const idOf = (value: Json): string | null => (isId(value) ? value : isId(value?.id) ? value.id : null)

/** No event of Stripe's is so large: what is nested deeper or longer is not looked through. */
const MOST_CONTAINERS = 5000

/** The objects that an object names, anywhere but in metadata, which anybody may have written; itself included. */
function collectObjects(root: Json, rootKind: string, found: Map<string, string>): void {
  if (Object.hasOwn(OBJECT_PATHS, rootKind) && isId(root?.id)) found.set(root.id, rootKind)
  const left: Json[] = isContainer(root) ? [root] : []
  for (let seen = 0; left.length > 0 && seen < MOST_CONTAINERS; seen += 1) {
    const container = left.pop()
    if (container !== root) addObject(container.id, container.object, found)
    for (const field in container) {
      if (field === 'metadata') continue
      const inner = container[field]
      const kind = FIELD_KINDS.get(field)
      if (kind !== undefined) addNamed(idOf(inner), kind, found)
      if (isContainer(inner)) left.push(inner)
    }
  }
}

const isContainer = (value: unknown): boolean => typeof value === 'object' && value !== null

/** No event of Stripe's names so many. */
const MOST_OBJECTS = 500

function addObject(id: Json, kind: Json, found: Map<string, string>): void {
  if (found.size >= MOST_OBJECTS) return
  if (typeof kind === 'string' && Object.hasOwn(OBJECT_PATHS, kind) && isId(id)) found.set(id, kind)
}

function addNamed(id: string | null, kind: string, found: Map<string, string>): void {
  if (id !== null && !found.has(id) && found.size < MOST_OBJECTS) found.set(id, kind)
}

/** The values under the key in the metadata of the object, of its subscription, and of its customer. */
function namesIn(object: Json, kind: string, key: string): RoutedBy[] {
  const names: RoutedBy[] = []
  const add = (metadata: Json, of: string) => {
    if (!isFields(metadata) || !Object.hasOwn(metadata, key)) return
    const value = metadata[key]
    if (typeof value !== 'string' || value === '') return
    const name = fitName(value)
    if (!names.some((one) => one.name === name)) names.push({ by: 'metadata', name, of })
  }
  const nameOf = (what: string, value: Json) => `${what} ${idOf(value) ?? ''}`.trim()
  add(object?.metadata, nameOf(kind, object))
  for (const [place, subscription] of [
    [object?.subscription, object?.subscription],
    [object?.subscription_details, object?.subscription],
    [object?.parent?.subscription_details, object?.parent?.subscription_details?.subscription],
  ])
    add(place?.metadata, nameOf('subscription', subscription))
  const lines = object?.lines?.data
  for (const line of Array.isArray(lines) ? lines : [])
    if (line?.type === 'subscription' || line?.parent?.type === 'subscription_item_details')
      add(
        line.metadata,
        nameOf('subscription', line.subscription ?? line.parent?.subscription_item_details?.subscription),
      )
  for (const customer of [object?.customer, object?.subscription?.customer])
    add(customer?.metadata, nameOf('customer', customer))
  return names
}

/** A text as PostgreSQL can hold it. */
const fitText = (text: string, most: number): string =>
  text.toWellFormed().replaceAll('\0', '\uFFFD').slice(0, most).toWellFormed()

/** Of the value of a route, and of a client's external id. */
const MAX_NAME_LENGTH = 500

/** What does not fit names nobody: it is made longer than any name of a client can be, lest what is left of it were one. */
function fitName(name: string): string {
  const fit = fitText(name, MAX_NAME_LENGTH)
  return fit === name ? name : fit.padEnd(MAX_NAME_LENGTH + 1, '…')
}
