import { idInRealm } from '../../domain/realm.ts'
import type { Node } from '../../language/mapping.ts'
import { newestObservationOf } from '../world/snapshots.ts'
import type { User } from '../world/users.ts'
import { keyIn, type SourceRealm, type World } from '../world/world.ts'
import type { ExplainedLookup } from './explanation.ts'
import { nameOfRead } from './read-names.ts'
import type { TraceFrame } from './trace.ts'

/** Every fact from outside the event that an evaluation asked for, once each, with where it comes from. */
export function lookupsIn(frames: readonly TraceFrame[], world: World, at: SourceRealm): ExplainedLookup[] {
  const found = new Map<string, ExplainedLookup>()
  const seen = new Set<TraceFrame>()
  const collectLookup = (frame: TraceFrame) => {
    // What comes to the same stands in several places.
    if (seen.has(frame)) return
    seen.add(frame)
    const lookup = explainLookup(frame, world, at)
    if (lookup) found.set(`${lookup.kind} ${lookup.id}`, lookup)
    frame.inner.forEach(collectLookup)
  }
  frames.forEach(collectLookup)
  return [...found.values()]
}

function explainLookup(frame: TraceFrame, world: World, at: SourceRealm): ExplainedLookup | null {
  const node = frame.part as Node
  const [key] = frame.inner
  if (typeof key?.result !== 'string') return null
  if (node.op === 'user' && node.field === 'clientUserId')
    return userLookup(key.result, frame, world.users.byCustomer.get(idInRealm(at, key.result)))
  if (node.op !== 'kept') return null
  const { kind } = node
  const id = key.result.replace(/^(link|checkout):/, '')
  const known = world.objects.get(keyIn(at, key.result))
  const observation = known && newestObservationOf(known.snapshot)
  if (observation) return { kind, id, known: true, words: `as ${observation.eventId} (${observation.type}) left it` }
  if (frame.inner.length > 1 && kind === 'checkout')
    return { kind, id, known: true, words: 'registered through the API' }
  if (frame.inner.length > 1 && kind === 'link')
    return { kind, id, known: true, words: 'tied together by earlier events' }
  if (frame.inner.length > 1) return { kind, id, known: true, words: "fetched from Stripe's API" }
  return { kind, id, known: false, words: kind === 'checkout' ? 'none was registered' : 'no event has shown it' }
}

function userLookup(customer: string, frame: TraceFrame, person: User | undefined): ExplainedLookup {
  const [, ids] = frame.inner
  const claimed = typeof ids?.result === 'string' || typeof ids?.result === 'number' ? String(ids.result) : null
  const clientUserId = `clientUserId ${JSON.stringify(frame.result)}`
  if (person?.registered)
    return { kind: 'user', id: customer, known: true, words: `${clientUserId}: registered through the API` }
  if (claimed !== null && ids && frame.result === claimed)
    return { kind: 'user', id: customer, known: true, words: `${clientUserId}: from ${nameOfRead(ids)}` }
  if (frame.result !== null)
    return { kind: 'user', id: customer, known: true, words: `${clientUserId}: from an earlier event` }
  return { kind: 'user', id: customer, known: false, words: 'no clientUserId is known yet' }
}
