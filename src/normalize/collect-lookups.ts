import type { ContractMappings } from '../../mappings/offer.ts'
import { paymentLinks, userClaims } from '../../mappings/stored-objects.ts'
import { idUnder, realmName } from '../domain/realm.ts'
import type { ObjectKind } from '../language/mapping.ts'
import { readIfReadable } from '../language/read.ts'
import { newReadings } from '../language/readings.ts'
import type { EvaluationInput } from '../language/scope.ts'
import type { Strides } from '../language/strides.ts'
import { mappingsReading } from './contract-mappings.ts'
import { clientUserIdsNamedBy, customersNamedBy } from './forgotten.ts'
import { isStoredKind, knownObjectOf } from './learn.ts'
import { completionOf } from './missing/completion.ts'
import { twinOf } from './missing/thin-events.ts'
import type { SourceEvent } from './source-event.ts'
import { type EventObservation, observationOf } from './source-events.ts'
import { bareInput } from './world/bare-input.ts'
import { edgesOf, linkedIdsOf } from './world/links.ts'
import { collectMappingLookups, type Lookups, noFacts, noLookups } from './world/lookups.ts'
import { priorStateOf } from './world/previous-attributes.ts'
import { newestObservationOf } from './world/snapshots.ts'
import { factsOf, type KnownObject, keyOf, type World } from './world/world.ts'

interface LookupDeps {
  world: World
  mappings: ContractMappings
}

/**
 * Adds what an event reads of the world, and answers the keys of what may point further: objects, and what was fetched. Call it again when
 * any of those was found.
 */
export function* collectLookups(deps: LookupDeps, sourceEvent: SourceEvent, lookups: Lookups): Strides<string[]> {
  const read = noLookups()
  try {
    yield* collectReads(deps, sourceEvent, read)
  } catch (fault) {
    // It is that event's alone: it fails when its turn comes.
    deps.world.lookupFaults.set(sourceEvent, fault)
  }
  collectFacts(read)
  for (const name of ['sources', 'clientUserIds', 'userIds'] as const)
    for (const id of read[name]) lookups[name].add(id)
  const { sourceId } = sourceEvent
  for (const id of read.twins) lookups.twins.add(keyOf(sourceId, id))
  // What Stripe's ids name is looked up in the event's account and mode.
  const realm = realmName(sourceEvent)
  for (const id of read.customers) lookups.customers.add(idUnder(realm, id))
  for (const id of read.facts) lookups.facts.add(keyOf(sourceId, idUnder(realm, id)))
  return (['objects', 'fetches'] as const).flatMap((name) =>
    [...read[name]].map((id) => {
      const key = keyOf(sourceId, idUnder(realm, id))
      lookups[name].add(key)
      return key
    }),
  )
}

function* collectReads(deps: LookupDeps, sourceEvent: SourceEvent, lookups: Lookups): Strides<void> {
  const { world, mappings } = deps
  lookups.sources.add(sourceEvent.sourceId)
  const twin = twinOf(sourceEvent)
  if (twin !== null) lookups.twins.add(twin)
  const { complete: event, fetches } = completionOf(deps, sourceEvent)
  for (const { key } of fetches) lookups.fetches.add(key)
  if (!event || sourceEvent.malformed !== undefined || sourceEvent.isDeadly) return

  const observation = observationOf(event)
  const known = knownObjectOf(world, event, observation)
  const input = inputOf(world, event, observation, known)
  if (observation.objectId !== null && isStoredKind(observation.kind)) lookups.objects.add(observation.objectId)
  collectUserLookups(observation, input, lookups)
  for (const customer of customersNamedBy(observation)) lookups.customers.add(customer)
  for (const id of clientUserIdsNamedBy(observation)) lookups.clientUserIds.add(id)
  collectLinkLookups(world, event, observation, { input, isKnown: known !== undefined, lookups })
  for (const { mapping } of mappingsReading(mappings, event.type)) yield* collectMappingLookups(mapping, input, lookups)

  // Coming late it may let the newest observation be judged again.
  const newest = known && newestObservationOf(known.snapshot)
  if (!newest || newest.created < observation.created) return
  const newestInput = {
    ...input,
    event: { ...input.event, type: newest.type },
    object: known.snapshot.object,
    readings: newReadings(),
  }
  for (const { mapping } of mappingsReading(mappings, newest.type))
    yield* collectMappingLookups(mapping, newestInput, lookups)
}

/** Adds the facts that what is read may bring: who waits for one is released. */
function collectFacts({ customers, objects, facts }: Lookups): void {
  for (const id of customers) facts.add(`client_user_id:${id}`)
  for (const id of objects) {
    const named = id.startsWith('link:') ? id.slice('link:'.length) : id
    for (const fact of ['subscription', 'purchase']) facts.add(`${fact}:${named}`)
  }
}

function inputOf(
  world: World,
  event: SourceEvent,
  { isTimer, object: observed, previous }: EventObservation,
  known: KnownObject | undefined,
): EvaluationInput {
  const stored = known?.snapshot.object
  const object = isTimer ? (stored ?? observed) : observed
  // The state before is read as well: the product, say, of the plan that it had.
  const prior = previous ? priorStateOf(object, previous) : (stored ?? null)
  const facts = { ...noFacts, readSnapshot: factsOf(world, event).readSnapshot }
  return { ...bareInput(event, object, facts), prior, readings: newReadings() }
}

function collectUserLookups({ kind }: EventObservation, input: EvaluationInput, lookups: Lookups): void {
  const claim = userClaims[kind as ObjectKind]
  if (!claim) return
  const customer = readIfReadable(claim.customer, input)
  const clientUserId = readIfReadable(claim.clientUserId, input)
  if (typeof customer === 'string') lookups.customers.add(customer)
  if (typeof clientUserId === 'string') lookups.clientUserIds.add(clientUserId)
}

function collectLinkLookups(
  world: World,
  event: SourceEvent,
  { kind, objectId }: EventObservation,
  { input, isKnown, lookups }: { input: EvaluationInput; isKnown: boolean; lookups: Lookups },
): void {
  for (const { from } of edgesOf(kind, input)) lookups.objects.add(`link:${from}`)
  if (objectId === null || isKnown || !paymentLinks[kind]) return
  lookups.objects.add(`link:${objectId}`)
  for (const id of linkedIdsOf(world, event, objectId)) lookups.facts.add(`purchase:${id}`)
}
