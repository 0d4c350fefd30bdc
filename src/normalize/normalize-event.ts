import { paymentLinks, storedKinds, userClaims } from '../../mappings/stored-objects.ts'
import { newId } from '../domain/ids.ts'
import { storedKey, validateBody } from '../language/evaluate.ts'
import { MappingError, type ObjectKind } from '../language/mapping.ts'
import { emptyMemory, type Memory } from '../language/memory.ts'
import { type Facts, readValue, type Trace } from '../language/read.ts'
import { judgeNewestAgain, judgeObservation, type MappingVerdict, mappingsReading } from './judge.ts'
import { completeEvent, fetchesOf, fetchHoldOf, fillIn } from './missing/completion.ts'
import { holdForFacts } from './missing/holds.ts'
import { objectFetch } from './missing/stripe-fetches.ts'
import { twinOf } from './missing/thin-events.ts'
import { unfetchedOf } from './missing/unfetched.ts'
import type { SkippedFetch, StripeFetch } from './stripe-fetch.ts'
import { failedOutcome, heldOutcome, ignoredOutcome, normalizedOutcome, notMappedOutcome } from './outcomes.ts'
import { setOverdueTimer } from './overdue-timer.ts'
import type { SourceEvent, SourceEventOutcome, WaitLimits } from './source-event.ts'
import { observationOf } from './source-events.ts'
import { bareInput } from './world/bare-input.ts'
import { addLinks, edgesOf, linkedIdsOf } from './world/links.ts'
import { collectMappingLookups, type Lookups, noFacts } from './world/lookups.ts'
import { priorStateOf } from './world/previous-attributes.ts'
import { newestObservationOf, placeObservation, type Snapshot } from './world/snapshots.ts'
import { factsOf, type KnownObject, keyOf, putRecord, type UserQuery, type World } from './world/world.ts'

/** An event of ours, ready to be stored: `body` is the contract's body without the delivery's own id. */
export interface NewEvent {
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
export function collectLookups(world: World, stored: SourceEvent, wants: Lookups): void {
  wants.sources.add(stored.sourceId)
  const twin = twinOf(stored)
  if (twin !== null) wants.twins.add(twin)
  for (const need of fetchesOf(world, stored)) wants.fetches.add(need.key)
  const due = fillIn(world, stored)
  if (!due) return
  const sight = observationOf(due)
  if (sight.objectId !== null && isKeptKind(sight.kind)) wants.objects.add(sight.objectId)
  const told = userClaims[sight.kind as ObjectKind]
  const known = knownObjectOf(world, due.sourceId, sight)
  const object = sight.isTimer ? (known?.snapshot.object ?? sight.object) : sight.object
  // The state before is read as well: the product, say, of the plan that it had.
  const prior = sight.previous ? priorStateOf(object, sight.previous) : (known?.snapshot.object ?? null)
  const input = {
    ...bareInput(due, object, { ...noFacts, readSnapshot: factsOf(world, due.sourceId).readSnapshot }),
    prior,
  }
  if (told) {
    const customer = readValue(told.customer, input)
    const clientUserId = readValue(told.clientUserId, input)
    if (typeof customer === 'string') wants.customers.add(customer)
    if (typeof clientUserId === 'string') wants.clientUserIds.add(clientUserId)
  }
  for (const { from } of edgesOf(sight.kind, input)) wants.objects.add(`link:${from}`)
  if (sight.objectId !== null && !known && paymentLinks[sight.kind]) {
    wants.objects.add(`link:${sight.objectId}`)
    for (const end of linkedIdsOf(world, due.sourceId, sight.objectId)) wants.facts.add(`purchase:${end}`)
  }
  for (const { mapping } of mappingsReading(due.type)) collectMappingLookups(mapping, input, wants)
  // Coming late it may let the newest sight be judged again.
  const newest = known && newestObservationOf(known.snapshot)
  if (newest && newest.created >= sight.created)
    for (const { mapping } of mappingsReading(newest.type))
      collectMappingLookups(
        mapping,
        { ...input, event: { ...input.event, type: newest.type }, object: known.snapshot.object },
        wants,
      )
}

const isKeptKind = (kind: string): kind is ObjectKind => (storedKinds as readonly string[]).includes(kind)

/** What became of one source event; `judged` is what each mapping said of it, rule by rule. */
export interface NormalizeResult {
  outcome: SourceEventOutcome
  events: NewEvent[]
  verdicts: MappingVerdict[]
}

/** Normalises one source event in a world where all that it wants is loaded; the world moves on with it. Never throws for what the event holds. */
export function normalizeSourceEvent(
  world: World,
  due: SourceEvent,
  patience: WaitLimits,
  listen?: Trace,
): NormalizeResult {
  const nothing = (outcome: SourceEventOutcome): NormalizeResult => ({ outcome, events: [], verdicts: [] })
  if (due.body === null)
    return nothing(failedOutcome(due, 'body_missing', 'The raw body is no longer kept: it cannot be normalised.'))
  const complete = completeEvent(world, due, patience)
  if ('outcome' in complete) return nothing(complete.outcome)
  const { whole, without } = complete
  if (typeof whole.body.data?.object !== 'object' || whole.body.data.object === null)
    return nothing(ignoredOutcome(due, 'no_object', 'The event carries no object: there is nothing to tell.'))
  try {
    return normalizeSnapshot(world, whole, without, patience, listen)
  } catch (error) {
    if (error instanceof MappingError) return nothing(failedOutcome(due, error.code, error.message))
    throw error
  }
}

function normalizeSnapshot(
  world: World,
  due: SourceEvent,
  without: readonly SkippedFetch[],
  patience: WaitLimits,
  listen?: Trace,
): NormalizeResult {
  const sight = observationOf(due)
  const known = knownObjectOf(world, due.sourceId, sight)
  if (sight.isTimer && !known)
    return {
      outcome: ignoredOutcome(due, 'not_overdue', 'The invoice is not known any more.'),
      events: [],
      verdicts: [],
    }
  const { snapshot, isNewest, overturnsNewest } =
    sight.isTimer && known
      ? { snapshot: known.snapshot, isNewest: true, overturnsNewest: false }
      : placeObservation(known?.snapshot ?? null, sight)
  const asked: UserQuery[] = []
  const object = isNewest ? snapshot.object : sight.object
  const stored = known?.snapshot.object ?? null
  const unregistered = new Set<string>()
  const untold = new Map<string, StripeFetch>()
  const facts = factsOf(world, due.sourceId, asked, (kind, id) => {
    if (kind === 'checkout') unregistered.add(id)
    const need = objectFetch(kind, id)
    if (need) untold.set(need.key, need)
  })
  const memory = known?.memory ?? emptyMemory()
  const at = due.createdAt.toISOString()
  const own = judgeObservation(sight, { snapshot, object, stored, late: !isNewest, memory, facts, at, trace: listen })
  // What a late sight alone could show may be what the newest one waited for.
  const shown = !isNewest && own.said.some(({ verdict }) => verdict.kind === 'ignore' && verdict.memory !== null)
  const again =
    known && (overturnsNewest || shown)
      ? judgeNewestAgain(known, snapshot, own.memory, facts, listen)
      : { said: [], memory: own.memory }
  const judged = [...own.said, ...again.said]
  const emitting = judged.flatMap(({ contract, mapping, verdict }) =>
    verdict.kind === 'emit' ? [{ contract, mapping, verdict }] : [],
  )
  const missing = judged.flatMap(({ verdict }) => verdict.missing)
  const hold = holdForFacts(world, due.sourceId, missing, patience)
  const lack = unfetchedOf(world, due, emitting.length > 0 ? [...untold.values()] : [], patience)
  // A checkout that is registered meanwhile may tell whose it is: it ends the wait as well.
  const holds = [hold && { ...hold, facts: [...hold.facts, ...unregistered] }, fetchHoldOf(lack)].filter(
    (one) => one !== null,
  )
  if (holds.length > 0) return { outcome: heldOutcome(due, longestHold(holds)), events: [], verdicts: judged }

  const events = emitting
    .flatMap(({ contract, mapping, verdict }) => verdict.drafts.map((emission) => ({ contract, mapping, emission })))
    .map(({ contract, mapping, emission }, position) => {
      const body = validateBody(mapping, emission.body)
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
    for (const { customer, clientUserId: told } of asked)
      if (world.users.settleUser(customer, told).clientUserId !== null && customer !== null)
        world.arrivedFacts.add(keyOf(due.sourceId, `client_user_id:${customer}`))
  if (sight.objectId !== null && isKeptKind(sight.kind)) {
    const remembered = rememberObject(world, due, sight.kind, sight.objectId, snapshot, again.memory)
    if (sight.kind === 'invoice') setOverdueTimer(world, remembered, facts, due, patience.now)
  }
  learnUser(world, due, object, facts)
  addLinks(world, due.sourceId, edgesOf(sight.kind, bareInput(due, object)))
  for (const { verdict } of [...emitting, ...own.said])
    if (verdict.tally) putRecord(world, due.sourceId, 'tally', `tally:${verdict.tally.payment}`, verdict.tally.tally)

  if (events.length > 0)
    return { outcome: normalizedOutcome(due, [...without, ...lack.skipped]), events, verdicts: judged }
  const said = own.said.map(({ verdict }) => verdict).find((verdict) => verdict.kind === 'ignore')
  return {
    outcome: said ? ignoredOutcome(due, said.code, said.message) : notMappedOutcome(due),
    events,
    verdicts: judged,
  }
}

const longestHold = (holds: readonly { until: Date; facts: string[] }[]) => ({
  until: new Date(Math.max(...holds.map(({ until }) => until.getTime()))),
  facts: holds.flatMap(({ facts }) => facts),
})

/** What is known of a sight's object. Dashboard test events give objects of different kinds the same id: those are strangers. */
function knownObjectOf(world: World, sourceId: string, { objectId, kind }: ReturnType<typeof observationOf>) {
  const known = objectId === null ? undefined : world.objects.get(keyOf(sourceId, objectId))
  return known?.kind === kind ? known : undefined
}

function rememberObject(
  world: World,
  due: SourceEvent,
  kind: ObjectKind,
  objectId: string,
  snapshot: Snapshot,
  memory: Memory,
): KnownObject {
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
    const purchases = [objectId, ...linkedIdsOf(world, due.sourceId, objectId)].map((id) => `purchase:${id}`)
    for (const fact of [`${kind}:${objectId}`, ...purchases]) world.arrivedFacts.add(keyOf(due.sourceId, fact))
  }
  return remembered
}

/** Facts about a user that an event tells whether or not it emits anything. */
function learnUser(world: World, due: SourceEvent, object: any, facts: Facts) {
  const told = userClaims[(typeof object.object === 'string' ? object.object : '') as ObjectKind]
  if (!told) return
  const input = bareInput(due, object, facts)
  const customer = readValue(told.customer, input)
  const clientUserId = readValue(told.clientUserId, input)
  if (typeof customer !== 'string' || typeof clientUserId !== 'string' || clientUserId === '') return
  const linked = world.users.byCustomer.get(customer)
  // A lower voice does not overrule what was told before; a customer's own metadata is read where it is needed.
  if (object.object !== 'customer' && (!linked || linked.clientUserId === null))
    world.users.settleUser(customer, clientUserId)
  world.arrivedFacts.add(keyOf(due.sourceId, `client_user_id:${customer}`))
}
