import type { AnyBillingObject } from './objects/any.ts'
import type { Customer, Metadata } from './objects/billing.ts'
import { lettersOfTime, type Random, seededRandom } from './random.ts'
import { BASIL, CLOVER, dateOf } from './versions.ts'

/** Who made something happen: a request to Stripe's API, or nobody (a renewal, a retry, a date that was reached). */
export interface ApiRequest {
  id: string | null
  idempotencyKey: string | null
}

/** One event to come, told without any API version: the renderer makes Stripe's JSON of it. */
export interface Happening {
  id: string
  type: string
  created: number
  /** Unix seconds of the virtual clock. */
  at: number
  request: ApiRequest
  /** How many endpoints still wait for it. */
  pendingWebhooks: number
  after: AnyBillingObject
  /** The state before, where the event is about a change. */
  before: AnyBillingObject | null
}

/** A billing account on a clock of its own. */
export interface World {
  /** Unix seconds of the virtual clock: what the objects' times say. */
  now: number
  /** Under a test clock, Unix seconds of the real time in which it is advanced: what the events' `created` says. */
  wall: number | null
  random: Random
  /** The ten letters that the ids of one account share. */
  account: string
  livemode: boolean
  clientUserId: string | null
  /** What the platform writes onto every customer, subscription and Checkout session that it makes. */
  metadata: Metadata
  testClock: string | null
  request: ApiRequest
  /** What the version of the API requests decides beside the shape of its events (docs/stripe.md 1.2). */
  defaults: { flexible: boolean; subscribesAfterPayment: boolean; checkoutMakesCustomers: boolean }
  customers: Map<string, Customer>
  happenings: Happening[]
}

const NOBODY: ApiRequest = { id: null, idempotencyKey: null }

/** An empty account at `start`. The same seed and requests give the same ids under every version. */
export function newWorld(options: {
  seed: string
  apiVersion: string
  start: Date
  livemode: boolean
  clientUserId: string | null
  metadata?: Metadata
}): World {
  const random = seededRandom(options.seed)
  const date = dateOf(options.apiVersion)
  return {
    now: Math.floor(options.start.getTime() / 1000),
    wall: null,
    random,
    account: random.letters(10),
    livemode: options.livemode,
    clientUserId: options.clientUserId,
    metadata: options.metadata ?? {},
    testClock: null,
    request: NOBODY,
    defaults: {
      flexible: date >= CLOVER,
      subscribesAfterPayment: date >= BASIL,
      checkoutMakesCustomers: date < '2022-08-01',
    },
    customers: new Map(),
    happenings: [],
  }
}

const SHORT_PREFIXES = new Set(['cus', 'prod', 'si', 'req'])
const PAYMENT_PREFIXES = new Set(['pi', 'ch', 're', 'pyr', 'txn'])

/** A new id with Stripe's prefix and length. */
export function newId(world: World, prefix: string): string {
  if (SHORT_PREFIXES.has(prefix)) return `${prefix}_${world.random.letters(14)}`
  if (prefix === 'cs') return `cs_${world.livemode ? 'live' : 'test'}_a1${world.random.letters(56)}`
  const time = lettersOfTime(world.now).slice(1)
  const { account, random } = world
  if (PAYMENT_PREFIXES.has(prefix)) return `${prefix}_3${time}${account}${random.below(2)}${random.letters(7)}`
  return `${prefix}_1${time}${account}${random.letters(8)}`
}

/** The virtual clock moves on by seconds. */
export function advanceClock(world: World, seconds: number): void {
  world.now += seconds
}

/** From here on the world is under a test clock: months pass while the events are created within seconds. */
export function startTestClock(world: World): void {
  world.testClock = newId(world, 'clock')
  world.wall = world.now
}

/** What happens inside is one API request: its events share the request's id and idempotency key. */
export function asOneRequest<T>(world: World, act: () => T): T {
  if (world.request.id !== null) return act()
  world.request = { id: newId(world, 'req'), idempotencyKey: world.random.uuid() }
  try {
    return act()
  } finally {
    world.request = NOBODY
  }
}

// So many events of a running test clock share one second of the wall.
const EVENTS_PER_SECOND = 40

/** An event about an object as it is now; `before` where it changed. */
export function recordEvent(
  world: World,
  type: string,
  facts: AnyBillingObject,
  before: AnyBillingObject | null = null,
): void {
  if (world.wall !== null && world.happenings.length % EVENTS_PER_SECOND === EVENTS_PER_SECOND - 1) world.wall += 1
  const prefix = PAYMENT_PREFIXES.has(facts.id?.split('_')[0] ?? '') ? '3' : '1'
  const { account, random } = world
  world.happenings.push({
    id: `evt_${prefix}${lettersOfTime(world.now).slice(1)}${account}${random.letters(8)}`,
    type,
    created: world.wall ?? world.now,
    at: world.now,
    request: world.request,
    pendingWebhooks: 1 + random.below(3),
    after: structuredClone(facts),
    before: before && structuredClone(before),
  })
}

/** Changes an object and tells it by one event per type; the types of one change show the same state. */
export function changeObject<F extends AnyBillingObject>(
  world: World,
  facts: F,
  news: Partial<F>,
  ...types: string[]
): void {
  const before = structuredClone(facts)
  Object.assign(facts, news)
  for (const type of types) recordEvent(world, type, facts, before)
}
