import { mappings } from '../../mappings/index.ts'
import type { Json } from '../../src/domain/json.ts'
import type { Trace } from '../../src/language/scope.ts'
import { runAtOnce } from '../../src/language/strides.ts'
import { collectLookups } from '../../src/normalize/collect-lookups.ts'
import type { MappingVerdict } from '../../src/normalize/judge.ts'
import type { NewEvent } from '../../src/normalize/new-events.ts'
import { normalizeSourceEvent } from '../../src/normalize/normalize-event.ts'
import type { SourceEvent, SourceEventOutcome } from '../../src/normalize/source-event.ts'
import { readBody, sortByOccurrence } from '../../src/normalize/source-event.ts'
import { noLookups } from '../../src/normalize/world/lookups.ts'
import { emptyWorld, keyIn, type World } from '../../src/normalize/world/world.ts'

/** What a run of raw Stripe events led to, without a database: the same pure code that the gateway runs in its transaction. */
export interface Story {
  world: World
  events: NewEvent[]
  outcomes: Told[]
}

/** What of a story one contract hears. */
export const heard = ({ events }: Story, contract = 'flo.v1'): NewEvent[] =>
  events.filter((event) => event.contract === contract)

/** What became of one raw event; `events` leaves out what was told before. */
export interface Told {
  eventId: string
  type: string
  /** The id of its object. */
  about: string
  outcome: SourceEventOutcome
  events: NewEvent[]
  judged: MappingVerdict[]
}

export const CLIENT = '11111111-1111-4111-8111-111111111111'
export const SOURCE = '22222222-2222-4222-8222-222222222222'

/** What the operator of the source says its plans without a price are worth. */
const PLAN_RANKS = { price_1Basic: 1, price_1Plus: 2, price_1PlusYearly: 2 }

/** A client's world in which nothing has happened, with one source. */
export const storyWorld = (planRanks: Readonly<Record<string, number>> = PLAN_RANKS): World => {
  const world = emptyWorld(CLIENT)
  world.sources.set(SOURCE, { hasApiKey: false, openCircuitReason: null, planRanks, idsByRealm: true })
  return world
}

/** A raw event as the receiver stores it; without `created` it counts as received at the epoch. */
export const dueOf = (raw: Json, at = 0): SourceEvent => ({
  id: `0190a000-0000-7000-8000-${String(at).padStart(12, '0')}`,
  sourceId: SOURCE,
  eventId: raw.id,
  type: raw.type,
  createdAt: new Date(typeof raw.created === 'number' ? raw.created * 1000 : (raw.created ?? 0)),
  receivedAt: new Date(0),
  ...readBody(raw),
  account: raw.account ?? '',
  livemode: raw.livemode !== false,
})

/**
 * Normalises raw events one after another in the order given; duplicates by id are passed over as the receiver does. With
 * `patient` what misses a fact is held as a gateway holds it: until the fact arrives or nothing else does.
 */
export function story(
  raws: readonly Json[],
  { world = storyWorld(), patient = false, trace }: { world?: World; patient?: boolean; trace?: Trace } = {},
): Story {
  const seen = new Set<string>()
  const said = new Set<string>()
  const outcomes: Told[] = []
  let waiting: { due: SourceEvent; facts: string[] }[] = []
  const take = (due: SourceEvent, second: number) => {
    runAtOnce(collectLookups({ world, mappings }, due, noLookups()))
    const patience = { now: new Date(second * 1000), holdSeconds: patient ? HOLD_SECONDS : 0 }
    const context = { world, mappings, limits: patience, trace }
    const { outcome, events, verdicts: judged } = runAtOnce(normalizeSourceEvent(context, due))
    if (outcome.heldFor !== null) return waiting.push({ due, facts: outcome.heldFor })
    const fresh = events.filter(({ key, contract }) => {
      const first = !said.has(`${contract} ${key}`)
      said.add(`${contract} ${key}`)
      return first
    })
    return outcomes.push({
      eventId: due.eventId,
      type: due.type,
      about: due.body?.data?.object?.id ?? '',
      outcome,
      events: fresh,
      judged,
    })
  }
  /** Goes on with those that wait for a fact which passes. */
  const release = (passes: (fact: string, due: SourceEvent) => boolean, second: number) => {
    const freed = waiting.filter(({ due, facts }) => facts.some((fact) => passes(fact, due)))
    waiting = waiting.filter((one) => !freed.includes(one))
    for (const due of sortByOccurrence(freed.map(({ due }) => due))) take(due, second)
    return freed.length > 0
  }
  const arrived = () => {
    const facts = new Set(world.arrivedFacts)
    world.arrivedFacts.clear()
    return (fact: string, due: SourceEvent) => facts.has(keyIn(due, fact))
  }
  if (patient) waitedForUsers(world, raws)
  for (const [at, raw] of raws.entries()) {
    if (seen.has(raw.id)) continue
    seen.add(raw.id)
    take(dueOf(raw, at), 1)
    while (release(arrived(), 1));
  }
  for (let deadline = 1 + HOLD_SECONDS; waiting.length > 0; deadline += HOLD_SECONDS) release(() => true, deadline)
  return { world, events: outcomes.flatMap(({ events }) => events), outcomes }
}

const HOLD_SECONDS = 10

/** Nobody tells the client's own ids of these users, and that was waited for before: it is no reason to wait here. */
function waitedForUsers(world: World, raws: readonly Json[]) {
  for (const id of JSON.stringify(raws).match(/\b(cus|cs|ch|py|pi|sub|in)_\w+/g) ?? [])
    for (const livemode of [true, false])
      world.holds.set(keyIn({ sourceId: SOURCE, livemode }, `client_user_id:${id}`), new Date(0))
}
