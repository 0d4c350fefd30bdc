import { ignored } from '../../mappings/ignored.ts'
import { mappings } from '../../mappings/index.ts'
import { kept, tells } from '../../mappings/kept.ts'
import { newId } from '../ids.ts'
import { checked, evaluate, type Input, type Verdict, value } from './evaluate.ts'
import { addLinks, edgesOf } from './links.ts'
import { emptyMemory, type Memory } from './memory.ts'
import { placed } from './order.ts'
import { priorOf } from './previous.ts'
import type { Due, Outcome } from './source-events.ts'
import { sightOf } from './source-events.ts'
import { noFacts, type Wants, want } from './wants.ts'
import { type Kept, type Mapping, MappingError } from './words.ts'
import { factsOf, keyOf, put, type World } from './world.ts'

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

/** Which mappings read an event type, with the contract that each belongs to. */
const readers = new Map<string, { contract: string; mapping: Mapping }[]>()
for (const [contract, list] of Object.entries(mappings))
  for (const mapping of list)
    for (const type of mapping.on.types) readers.set(type, [...(readers.get(type) ?? []), { contract, mapping }])

/** What an event needs from outside; call until nothing new is wanted, since what is found may point further. */
export function wantsOf(world: World, due: Due, wants: Wants): void {
  const sight = sightOf(due)
  if (sight.objectId !== null && isKept(sight.kind)) wants.objects.add(sight.objectId)
  const told = tells[sight.kind as Kept]
  const input: Input = {
    event: { id: due.eventId, type: due.type, created: sight.created },
    object: sight.object,
    prior: null,
    stored: null,
    late: false,
    memory: emptyMemory(),
    facts: { ...noFacts, kept: factsOf(world, due.sourceId, new Map()).kept },
  }
  if (told) {
    const customer = value(told.customer, input)
    const clientUserId = value(told.clientUserId, input)
    if (typeof customer === 'string') wants.customers.add(customer)
    if (typeof clientUserId === 'string') wants.told.add(clientUserId)
  }
  for (const { from } of edgesOf(sight.kind, input)) wants.objects.add(`link:${from}`)
  for (const { mapping } of readers.get(due.type) ?? []) want(mapping, input, wants)
}

const isKept = (kind: string): kind is Kept => (kept as readonly string[]).includes(kind)

/** Normalises one source event in a world where all that it wants is loaded; the world moves on with it. Never throws for what the event holds. */
export function normalize(
  world: World,
  due: Due,
  { now, holdSeconds }: { now: Date; holdSeconds: number },
): { outcome: Outcome; events: Normalized[] } {
  if (due.body === null) return failed(due, 'body_missing', 'The raw body is no longer kept: it cannot be normalised.')
  if (due.body.object === 'v2.core.event' || due.body.data === undefined)
    return ignoredAs(
      due,
      'needs_api_key',
      'A thin event carries no object: with an API key on the source it can be fetched.',
    )
  try {
    return normalizeSnapshot(world, due, now, holdSeconds)
  } catch (error) {
    if (error instanceof MappingError) return failed(due, error.code, error.message)
    throw error
  }
}

function normalizeSnapshot(world: World, due: Due, now: Date, holdSeconds: number) {
  const sight = sightOf(due)
  const known = sight.objectId === null ? undefined : world.objects.get(keyOf(due.sourceId, sight.objectId))
  const place = placed(known?.snapshot ?? null, stubbed(sight, known?.snapshot.object))
  const asked = new Map<string, string | null>()
  const object = stubbed(sight, known?.snapshot.object).object
  const stored = known?.snapshot.object ?? null
  let memory: Memory = known?.memory ?? emptyMemory()
  const verdicts: { contract: string; mapping: Mapping; verdict: Verdict }[] = []
  for (const { contract, mapping } of readers.get(due.type) ?? []) {
    const verdict = evaluate(mapping, {
      event: { id: due.eventId, type: due.type, created: sight.created },
      object,
      prior: sight.previous ? priorOf(object, sight.previous) : place.newest ? stored : null,
      stored,
      late: !place.newest,
      memory,
      facts: factsOf(world, due.sourceId, asked),
    })
    if (verdict.kind === 'emit') memory = verdict.memory
    verdicts.push({ contract, mapping, verdict })
  }

  const emitting = verdicts.flatMap(({ contract, mapping, verdict }) =>
    verdict.kind === 'emit' ? [{ contract, mapping, verdict }] : [],
  )
  const missing = emitting.flatMap(({ verdict }) => verdict.missing)
  const hold = holdFor(world, due.sourceId, missing, now, holdSeconds)
  if (hold) return { outcome: heldAs(due, hold.until, hold.facts), events: [] }

  const events = emitting
    .flatMap(({ contract, mapping, verdict }) => verdict.emissions.map((emission) => ({ contract, mapping, emission })))
    .map(({ contract, mapping, emission }, position) => {
      const body = checked(mapping, emission.body)
      return {
        id: newId(),
        sourceEventId: due.id,
        contract,
        type: emission.type,
        userId: body.user?.id ?? null,
        key: `${due.sourceId}:${emission.key}`,
        position,
        occurredAt: due.createdAt,
        body: JSON.stringify(body),
      }
    })

  // From here on the event counts: what it tells becomes part of the world.
  if (events.length > 0)
    for (const [customer, told] of asked)
      if (world.people.settle(customer, told).clientUserId !== null)
        world.arrived.add(keyOf(due.sourceId, `client_user_id:${customer}`))
  if (sight.objectId !== null && isKept(sight.kind))
    remember(world, due, sight.kind, sight.objectId, place.snapshot, memory)
  learn(world, due, object)
  const input = {
    event: { id: due.eventId, type: due.type, created: sight.created },
    object,
    prior: null,
    stored: null,
    late: false,
    memory,
    facts: noFacts,
  }
  addLinks(world, due.sourceId, edgesOf(sight.kind, input))
  for (const { verdict } of emitting)
    if (verdict.tally) put(world, due.sourceId, 'tally', `tally:${verdict.tally.payment}`, verdict.tally.tally)

  if (events.length > 0) return { outcome: done(due, 'normalized', null, null), events }
  const said = verdicts.map(({ verdict }) => verdict).find((verdict) => verdict.kind === 'ignore')
  return said ? ignoredAs(due, said.code, said.message) : ignoredAs(due, ...notMapped(due.type))
}

/** A deleted object may arrive as a stub: what was known of it still stands. */
const stubbed = (sight: ReturnType<typeof sightOf>, stored: any) =>
  sight.object.deleted === true && stored ? { ...sight, object: { ...stored, ...sight.object } } : sight

function remember(world: World, due: Due, kind: Kept, objectId: string, snapshot: any, memory: Memory) {
  const key = keyOf(due.sourceId, objectId)
  const customer = snapshot.object.customer
  const customerId = kind === 'customer' ? objectId : typeof customer === 'string' ? customer : (customer?.id ?? null)
  const next = { sourceId: due.sourceId, objectId, kind, customerId, snapshot, memory }
  const known = world.objects.get(key)
  if (known) Object.assign(known, next)
  else world.objects.set(key, next)
  world.dirty.objects.add(world.objects.get(key)!)
  if (!known) for (const fact of [kind, 'purchase']) world.arrived.add(keyOf(due.sourceId, `${fact}:${objectId}`))
}

/** Facts about a user that an event tells whether or not it emits anything. */
function learn(world: World, due: Due, object: any) {
  const told = tells[(typeof object.object === 'string' ? object.object : '') as Kept]
  if (!told) return
  const input = {
    event: { id: due.eventId, type: due.type, created: 0 },
    object,
    prior: null,
    stored: null,
    late: false,
    memory: emptyMemory(),
    facts: noFacts,
  }
  const customer = value(told.customer, input)
  const clientUserId = value(told.clientUserId, input)
  if (typeof customer !== 'string' || typeof clientUserId !== 'string' || clientUserId === '') return
  const linked = world.people.byCustomer.get(customer)
  // A lower voice does not overrule what was told before; a customer's own metadata is read where it is needed.
  if (object.object !== 'customer' && (!linked || linked.clientUserId === null))
    world.people.settle(customer, clientUserId)
  world.arrived.add(keyOf(due.sourceId, `client_user_id:${customer}`))
}

/** One deadline per missing fact, started by the first event that misses it; null when nothing is waited for any more. */
function holdFor(world: World, sourceId: string, missing: readonly string[], now: Date, holdSeconds: number) {
  if (holdSeconds === 0) return null
  const facts = [...new Set(missing)].filter((fact) => {
    const key = keyOf(sourceId, fact)
    if (!world.holds.has(key)) {
      const until = new Date(now.getTime() + holdSeconds * 1000)
      world.holds.set(key, until)
      world.dirty.holds.set(key, until)
    }
    return world.holds.get(key)! > now
  })
  if (facts.length === 0) return null
  const until = new Date(Math.max(...facts.map((fact) => world.holds.get(keyOf(sourceId, fact))!.getTime())))
  return { until, facts }
}

function notMapped(type: string): [string, string] {
  const families = Object.keys(ignored).filter((prefix) => type === prefix || type.startsWith(`${prefix}.`))
  const [longest] = families.sort((a, b) => b.length - a.length)
  return longest === undefined
    ? ['unknown_type', 'No mapping reads this event type.']
    : ['not_mapped', ignored[longest]!]
}

const done = (due: Due, state: Outcome['state'], code: string | null, message: string | null): Outcome => ({
  id: due.id,
  state,
  code,
  message,
  heldUntil: null,
  heldFor: null,
})
const ignoredAs = (due: Due, code: string, message: string) => ({
  outcome: done(due, 'ignored', code, message),
  events: [] as Normalized[],
})
const failed = (due: Due, code: string, message: string) => ({
  outcome: done(due, 'failed', code, message),
  events: [] as Normalized[],
})
const heldAs = (due: Due, until: Date, facts: string[]): Outcome => ({
  ...done(
    due,
    'held',
    'waiting_for',
    `Waits for ${facts.join(', ')}: sent without at the deadline, at once when it arrives.`,
  ),
  heldUntil: until,
  heldFor: facts,
})
