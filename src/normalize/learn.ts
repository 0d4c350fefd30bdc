import { stateFacts } from '../../mappings/arrivals.ts'
import { storedKinds, userClaims } from '../../mappings/stored-objects.ts'
import type { Json } from '../domain/json.ts'
import { idInRealm, realmName } from '../domain/realm.ts'
import type { ObjectKind } from '../language/mapping.ts'
import type { Memory } from '../language/memory.ts'
import { readIfReadable } from '../language/read.ts'
import type { Facts } from '../language/scope.ts'
import { isIdText } from '../language/unreadable.ts'
import type { MappingVerdict } from './judge.ts'
import { setOverdueTimer } from './overdue-timer.ts'
import type { SourceEvent } from './source-event.ts'
import type { EventObservation } from './source-events.ts'
import { bareInput } from './world/bare-input.ts'
import { addLinks, edgesOf, linkedIdsOf } from './world/links.ts'
import type { Snapshot } from './world/snapshots.ts'
import {
  customerIn,
  type KnownObject,
  keyIn,
  putRecord,
  type SourceRealm,
  type UserQuery,
  type World,
} from './world/world.ts'

/** What an event has brought. */
export interface Learnt {
  event: SourceEvent
  observation: EventObservation
  /** The object's state at the event. */
  object: Json
  /** All that is known of the object, with this event. */
  snapshot: Snapshot
  memory: Memory
  facts: Facts
  /** The users that its own events show. */
  users: readonly UserQuery[]
  verdicts: readonly MappingVerdict[]
  now: Date
}

/** Makes what an event has brought part of the world: the events after it are read with it. */
export function learnFromEvent(world: World, learnt: Learnt): void {
  const { event, observation, object, facts, now } = learnt
  settleUsers(world, learnt)
  const known = rememberObject(world, learnt)
  if (known) noteStateFacts(world, known, learnt)
  if (known && observation.kind === 'invoice') setOverdueTimer(world, known, { facts, event, now })
  learnUser(world, learnt)
  addLinks(world, event, edgesOf(observation.kind, bareInput(event, object)))
  for (const { verdict } of learnt.verdicts)
    for (const [id, tally] of Object.entries(verdict.tally ?? {}))
      putRecord(world, event, { kind: 'tally', objectId: `tally:${id}`, object: tally })
}

export const isStoredKind = (kind: string): kind is ObjectKind => (storedKinds as readonly string[]).includes(kind)

/** What is known of an observation's object. Dashboard test events give objects of different kinds one id: they are not the same. */
export function knownObjectOf(
  world: World,
  at: SourceRealm,
  { objectId, kind }: EventObservation,
): KnownObject | undefined {
  const known = objectId === null ? undefined : world.objects.get(keyIn(at, objectId))
  return known?.kind === kind ? known : undefined
}

function settleUsers(world: World, { event, users }: Learnt): void {
  for (const { customer, clientUserId } of users)
    if (world.users.settleUser(customerIn(event, customer), clientUserId).clientUserId !== null && customer !== null)
      world.arrivedFacts.add(keyIn(event, `client_user_id:${customer}`))
}

/** Stores the object's newest state; null: objects of its kind are not stored. */
function rememberObject(world: World, { event, observation, snapshot, memory }: Learnt): KnownObject | null {
  const { objectId, kind } = observation
  if (objectId === null || !isStoredKind(kind)) return null
  const { customer } = snapshot.object
  const named = kind === 'customer' ? objectId : (customer?.id ?? customer)
  const customerId = isIdText(named) ? named : null
  const next = { sourceId: event.sourceId, realm: realmName(event), objectId, kind, customerId, snapshot, memory }
  const key = keyIn(event, objectId)
  const known = world.objects.get(key)
  const remembered = known ? Object.assign(known, next) : next
  world.objects.set(key, remembered)
  world.dirty.objects.add(remembered)
  if (!known) {
    // Of payments that were tied to it before, what they were for is known now.
    const purchases = [objectId, ...linkedIdsOf(world, event, objectId)].map((id) => `purchase:${id}`)
    for (const fact of [`${kind}:${objectId}`, ...purchases]) world.arrivedFacts.add(keyIn(event, fact))
  }
  return remembered
}

/** What the newest state of an object brings that events may wait for. */
function noteStateFacts(world: World, { kind, snapshot }: KnownObject, { event }: Learnt): void {
  const input = bareInput(event, snapshot.object)
  for (const { fact, keys } of stateFacts[kind as ObjectKind] ?? []) {
    const names: unknown[] = readIfReadable(keys, input) ?? []
    for (const name of names.filter(isIdText)) world.arrivedFacts.add(keyIn(event, `${fact}:${name}`))
  }
}

/** Which user is behind a customer, where the object says so, whether or not an event is made of it. */
function learnUser(world: World, { event, object, facts }: Learnt): void {
  const claim = userClaims[(typeof object.object === 'string' ? object.object : '') as ObjectKind]
  if (!claim) return
  const input = bareInput(event, object, facts)
  const customer = readIfReadable(claim.customer, input)
  const clientUserId = readIfReadable(claim.clientUserId, input)
  if (!isIdText(customer) || !isIdText(clientUserId) || clientUserId === '') return
  const linked = world.users.byCustomer.get(idInRealm(event, customer))
  // What ranks lower does not overrule what was said before; a customer's own metadata is read where it is needed.
  if (object.object !== 'customer' && (!linked || linked.clientUserId === null))
    world.users.settleUser(idInRealm(event, customer), clientUserId)
  world.arrivedFacts.add(keyIn(event, `client_user_id:${customer}`))
}
