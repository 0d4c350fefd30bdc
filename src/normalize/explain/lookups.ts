import type { Node } from '../../language/mapping.ts'
import { newestOf } from '../world/snapshots.ts'
import { keyOf, type World } from '../world/world.ts'
import type { Lookup } from './explanation.ts'
import { nameOf } from './source.ts'
import type { Frame } from './trace.ts'

/** Every fact from outside the event that an evaluation asked for, once each, with where it comes from. */
export function lookupsIn(frames: readonly Frame[], world: World, sourceId: string): Lookup[] {
  const found = new Map<string, Lookup>()
  const walk = (frame: Frame) => {
    const lookup = lookupOf(frame, world, sourceId)
    if (lookup) found.set(`${lookup.kind} ${lookup.id}`, lookup)
    frame.inner.forEach(walk)
  }
  frames.forEach(walk)
  return [...found.values()]
}

function lookupOf(frame: Frame, world: World, sourceId: string): Lookup | null {
  const node = frame.part as Node
  const [key] = frame.inner
  if (typeof key?.result !== 'string') return null
  if (node.op === 'user' && node.field === 'clientUserId') return userBehind(key.result, frame, world)
  if (node.op !== 'kept') return null
  const { kind } = node
  const id = key.result.replace(/^(link|checkout):/, '')
  const known = world.objects.get(keyOf(sourceId, key.result))
  const sight = known && newestOf(known.snapshot)
  if (sight) return { kind, id, known: true, words: `as ${sight.eventId} (${sight.type}) left it` }
  if (frame.inner.length > 1 && kind === 'checkout')
    return { kind, id, known: true, words: 'registered through the API' }
  if (frame.inner.length > 1 && kind === 'link')
    return { kind, id, known: true, words: 'tied together by earlier events' }
  if (frame.inner.length > 1) return { kind, id, known: true, words: "fetched from Stripe's API" }
  return { kind, id, known: false, words: kind === 'checkout' ? 'none was registered' : 'no event has told of it' }
}

function userBehind(customer: string, frame: Frame, world: World): Lookup {
  const person = world.people.byCustomer.get(customer)
  const [, ids] = frame.inner
  const told = typeof ids?.result === 'string' || typeof ids?.result === 'number' ? String(ids.result) : null
  const as = `clientUserId ${JSON.stringify(frame.result)}`
  if (person?.registered) return { kind: 'user', id: customer, known: true, words: `${as}: registered through the API` }
  if (told !== null && ids && frame.result === told)
    return { kind: 'user', id: customer, known: true, words: `${as}: told by ${nameOf(ids)}` }
  if (frame.result !== null)
    return { kind: 'user', id: customer, known: true, words: `${as}: told by an earlier event` }
  return { kind: 'user', id: customer, known: false, words: 'nobody has told the clientUserId yet' }
}
