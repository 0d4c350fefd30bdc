import { kept, links, tells } from '../../mappings/kept.ts'
import { newId } from '../domain/ids.ts'
import { checked, storedKey } from '../language/evaluate.ts'
import { type Kept, MappingError } from '../language/mapping.ts'
import { emptyMemory, type Memory } from '../language/memory.ts'
import { type Facts, type Listener, value } from '../language/read.ts'
import { type Judged, judge, judgeAgain, readersOf } from './judge.ts'
import { completed, filled, holdOf, needsOf } from './missing/completion.ts'
import { holdFor } from './missing/holds.ts'
import { objectNeed } from './missing/needs.ts'
import { twinOf } from './missing/thin-events.ts'
import { lackOf } from './missing/unfetched.ts'
import type { Need, Without } from './need.ts'
import { failed, held, ignoredAs, normalized, notMapped } from './outcomes.ts'
import { setTimer } from './overdue-timer.ts'
import type { Due, Outcome, Patience } from './source-event.ts'
import { sightOf } from './source-events.ts'
import { alone } from './world/bare-input.ts'
import { addLinks, edgesOf, endsOf } from './world/links.ts'
import { noFacts, type Wants, want } from './world/lookups.ts'
import { priorOf } from './world/previous-attributes.ts'
import { newestOf, placed, type Snapshot } from './world/snapshots.ts'
import { type Asked, factsOf, type Known, keyOf, put, type World } from './world/world.ts'

/** An event of ours, ready to be stored: `body` is the contract's body without the delivery's own id. */
export interface Normalized {
  id: string
  sourceEventId: string
  contract: string
  type: string
  userId: string | null
  key: string
  position: number
  occurredAt: Date
  body: string
}

/** What an event needs from outside; call until nothing new is wanted, since what is found may point further. */
export function wantsOf(world: World, stored: Due, wants: Wants): void {
  wants.sources.add(stored.sourceId)
  const twin = twinOf(stored)
  if (twin !== null) wants.twins.add(twin)
  for (const need of needsOf(world, stored)) wants.needs.add(need.key)
  const due = filled(world, stored)
  if (!due) return
  const sight = sightOf(due)
  if (sight.objectId !== null && isKept(sight.kind)) wants.objects.add(sight.objectId)
  const told = tells[sight.kind as Kept]
  const known = knownOf(world, due.sourceId, sight)
  const object = sight.own ? (known?.snapshot.object ?? sight.object) : sight.object
  // The state before is read as well: the product, say, of the plan that it had.
  const prior = sight.previous ? priorOf(object, sight.previous) : (known?.snapshot.object ?? null)
  const input = { ...alone(due, object, { ...noFacts, kept: factsOf(world, due.sourceId).kept }), prior }
  if (told) {
    const customer = value(told.customer, input)
    const clientUserId = value(told.clientUserId, input)
    if (typeof customer === 'string') wants.customers.add(customer)
    if (typeof clientUserId === 'string') wants.told.add(clientUserId)
  }
  for (const { from } of edgesOf(sight.kind, input)) wants.objects.add(`link:${from}`)
  if (sight.objectId !== null && !known && links[sight.kind]) {
    wants.objects.add(`link:${sight.objectId}`)
    for (const end of endsOf(world, due.sourceId, sight.objectId)) wants.facts.add(`purchase:${end}`)
  }
  for (const { mapping } of readersOf(due.type)) want(mapping, input, wants)
  // Coming late it may let the newest sight be judged again.
  const newest = known && newestOf(known.snapshot)
  if (newest && newest.created >= sight.created)
    for (const { mapping } of readersOf(newest.type))
      want(mapping, { ...input, event: { ...input.event, type: newest.type }, object: known.snapshot.object }, wants)
}

const isKept = (kind: string): kind is Kept => (kept as readonly string[]).includes(kind)

/** What became of one source event; `judged` is what each mapping said of it, rule by rule. */
export interface Result {
  outcome: Outcome
  events: Normalized[]
  judged: Judged[]
}

/** Normalises one source event in a world where all that it wants is loaded; the world moves on with it. Never throws for what the event holds. */
export function normalize(world: World, due: Due, patience: Patience, listen?: Listener): Result {
  const nothing = (outcome: Outcome): Result => ({ outcome, events: [], judged: [] })
  if (due.body === null)
    return nothing(failed(due, 'body_missing', 'The raw body is no longer kept: it cannot be normalised.'))
  const complete = completed(world, due, patience)
  if ('outcome' in complete) return nothing(complete.outcome)
  const { whole, without } = complete
  if (typeof whole.body.data?.object !== 'object' || whole.body.data.object === null)
    return nothing(ignoredAs(due, 'no_object', 'The event carries no object: there is nothing to tell.'))
  try {
    return normalizeSnapshot(world, whole, without, patience, listen)
  } catch (error) {
    if (error instanceof MappingError) return nothing(failed(due, error.code, error.message))
    throw error
  }
}

function normalizeSnapshot(
  world: World,
  due: Due,
  without: readonly Without[],
  patience: Patience,
  listen?: Listener,
): Result {
  const sight = sightOf(due)
  const known = knownOf(world, due.sourceId, sight)
  if (sight.own && !known)
    return { outcome: ignoredAs(due, 'not_overdue', 'The invoice is not known any more.'), events: [], judged: [] }
  const { snapshot, newest, overturns } =
    sight.own && known
      ? { snapshot: known.snapshot, newest: true, overturns: false }
      : placed(known?.snapshot ?? null, sight)
  const asked: Asked[] = []
  const object = newest ? snapshot.object : sight.object
  const stored = known?.snapshot.object ?? null
  const unregistered = new Set<string>()
  const untold = new Map<string, Need>()
  const facts = factsOf(world, due.sourceId, asked, (kind, id) => {
    if (kind === 'checkout') unregistered.add(id)
    const need = objectNeed(kind, id)
    if (need) untold.set(need.key, need)
  })
  const memory = known?.memory ?? emptyMemory()
  const at = due.createdAt.toISOString()
  const own = judge(sight, { snapshot, object, stored, late: !newest, memory, facts, at, listen })
  // What a late sight alone could show may be what the newest one waited for.
  const shown = !newest && own.said.some(({ verdict }) => verdict.kind === 'ignore' && verdict.memory !== null)
  const again =
    known && (overturns || shown)
      ? judgeAgain(known, snapshot, own.memory, facts, listen)
      : { said: [], memory: own.memory }
  const judged = [...own.said, ...again.said]
  const emitting = judged.flatMap(({ contract, mapping, verdict }) =>
    verdict.kind === 'emit' ? [{ contract, mapping, verdict }] : [],
  )
  const missing = judged.flatMap(({ verdict }) => verdict.missing)
  const hold = holdFor(world, due.sourceId, missing, patience)
  const lack = lackOf(world, due, emitting.length > 0 ? [...untold.values()] : [], patience)
  // A checkout that is registered meanwhile may tell whose it is: it ends the wait as well.
  const holds = [hold && { ...hold, facts: [...hold.facts, ...unregistered] }, holdOf(lack)].filter(
    (one) => one !== null,
  )
  if (holds.length > 0) return { outcome: held(due, longest(holds)), events: [], judged }

  const events = emitting
    .flatMap(({ contract, mapping, verdict }) => verdict.emissions.map((emission) => ({ contract, mapping, emission })))
    .map(({ contract, mapping, emission }, position) => {
      const body = checked(mapping, emission.body)
      return {
        id: newId(),
        sourceEventId: due.id,
        contract,
        type: emission.type,
        userId: emission.userId,
        key: storedKey(emission, world.clientId, due.sourceId),
        position,
        occurredAt: due.createdAt,
        body: JSON.stringify(body),
      }
    })

  // From here on the event counts: what it tells becomes part of the world.
  if (events.length > 0)
    for (const { customer, told } of asked)
      if (world.people.settle(customer, told).clientUserId !== null && customer !== null)
        world.arrived.add(keyOf(due.sourceId, `client_user_id:${customer}`))
  if (sight.objectId !== null && isKept(sight.kind)) {
    const remembered = remember(world, due, sight.kind, sight.objectId, snapshot, again.memory)
    if (sight.kind === 'invoice') setTimer(world, remembered, facts, due, patience.now)
  }
  learn(world, due, object, facts)
  addLinks(world, due.sourceId, edgesOf(sight.kind, alone(due, object)))
  for (const { verdict } of [...emitting, ...own.said])
    if (verdict.tally) put(world, due.sourceId, 'tally', `tally:${verdict.tally.payment}`, verdict.tally.tally)

  if (events.length > 0) return { outcome: normalized(due, [...without, ...lack.without]), events, judged }
  const said = own.said.map(({ verdict }) => verdict).find((verdict) => verdict.kind === 'ignore')
  return { outcome: said ? ignoredAs(due, said.code, said.message) : notMapped(due), events, judged }
}

const longest = (holds: readonly { until: Date; facts: string[] }[]) => ({
  until: new Date(Math.max(...holds.map(({ until }) => until.getTime()))),
  facts: holds.flatMap(({ facts }) => facts),
})

/** What is known of a sight's object. Dashboard test events give objects of different kinds the same id: those are strangers. */
function knownOf(world: World, sourceId: string, { objectId, kind }: ReturnType<typeof sightOf>) {
  const known = objectId === null ? undefined : world.objects.get(keyOf(sourceId, objectId))
  return known?.kind === kind ? known : undefined
}

function remember(world: World, due: Due, kind: Kept, objectId: string, snapshot: Snapshot, memory: Memory): Known {
  const key = keyOf(due.sourceId, objectId)
  const customer = snapshot.object.customer
  const customerId = kind === 'customer' ? objectId : typeof customer === 'string' ? customer : (customer?.id ?? null)
  const next = { sourceId: due.sourceId, objectId, kind, customerId, snapshot, memory }
  const known = world.objects.get(key)
  const remembered = known ? Object.assign(known, next) : next
  world.objects.set(key, remembered)
  world.dirty.objects.add(remembered)
  if (!known) {
    // Of payments that were tied to it before, what they were for is known now.
    const purchases = [objectId, ...endsOf(world, due.sourceId, objectId)].map((id) => `purchase:${id}`)
    for (const fact of [`${kind}:${objectId}`, ...purchases]) world.arrived.add(keyOf(due.sourceId, fact))
  }
  return remembered
}

/** Facts about a user that an event tells whether or not it emits anything. */
function learn(world: World, due: Due, object: any, facts: Facts) {
  const told = tells[(typeof object.object === 'string' ? object.object : '') as Kept]
  if (!told) return
  const input = alone(due, object, facts)
  const customer = value(told.customer, input)
  const clientUserId = value(told.clientUserId, input)
  if (typeof customer !== 'string' || typeof clientUserId !== 'string' || clientUserId === '') return
  const linked = world.people.byCustomer.get(customer)
  // A lower voice does not overrule what was told before; a customer's own metadata is read where it is needed.
  if (object.object !== 'customer' && (!linked || linked.clientUserId === null))
    world.people.settle(customer, clientUserId)
  world.arrived.add(keyOf(due.sourceId, `client_user_id:${customer}`))
}
