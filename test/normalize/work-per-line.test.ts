import { expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import type { Json } from '../../src/domain/json.ts'
import type { Trace } from '../../src/language/scope.ts'
import type { Strides } from '../../src/language/strides.ts'
import { collectLookups } from '../../src/normalize/collect-lookups.ts'
import { createTracer } from '../../src/normalize/explain/trace.ts'
import { normalizeSourceEvent } from '../../src/normalize/normalize-event.ts'
import { noLookups } from '../../src/normalize/world/lookups.ts'
import { cases } from '../support/fixtures.ts'
import { present } from '../support/present.ts'
import { dueOf, story } from '../support/story.ts'

/** Elements of a list that is made long; twice as many may at most double the work. */
const LENGTH = 150
/** Of a list in many fixtures, so many are tried. */
const MOST_PLACES = 6
/** A walk of the whole list for each of its elements would make it 3 and more. */
const MOST_GROWTH = 2.3

const lists = cases.flatMap(([name, events]) => {
  const seen = new Set<string>()
  return events.flatMap((event: Json, at: number) =>
    listPathsOf(event.data, ['data']).flatMap((path) => {
      const kind = `${event.type} ${path.join('.')}`
      if (seen.has(kind)) return []
      seen.add(kind)
      return [{ name, events, at, kind, path }]
    }),
  )
})
const kinds = [...Map.groupBy(lists, ({ kind }) => kind)]

test.each(kinds)('%s: what is read grows as the list does, and no faster', (_, places) => {
  for (const { name, events, at, path } of places.slice(0, MOST_PLACES)) {
    const [some, twice] = [LENGTH, 2 * LENGTH].map((length) => {
      const counted = countReads(withListOf(events[at], path, length))
      story([...events.slice(0, at), counted.value])
      return counted.reads()
    })
    expect(twice, name).toBeLessThan(MOST_GROWTH * (some ?? 0) + 1000)
  }
})

/** Readings of an element in one stride, at most: a hundred take a processor some microseconds. */
const MOST_READS_PER_ELEMENT = 130
/** Of 2,400 elements, each with events of its own, so many are read without a pause, or there is more than one body in a stride. */
const MANY = 2400

test.each(kinds)('%s: there is a pause between what is made of it', (_, places) => {
  for (const { name, events, at, path } of places.slice(0, MOST_PLACES)) {
    for (const trace of [undefined, createTracer().trace]) {
      const counted = countReads(withListOf(events[at], path, LENGTH))
      const { strides } = normalizeCounting(events.slice(0, at), counted, trace)
      expect(Math.max(...strides), `${name}${trace ? ', explained' : ''}`).toBeLessThan(MOST_READS_PER_ELEMENT * LENGTH)
    }
  }
})

test('of an invoice that becomes an event a line no stretch makes more than some of them', () => {
  for (const name of ['invoice-finalized-already-paid-2022', 'invoice-changed-after-payment-dahlia']) {
    const { events, at, path } = present(
      lists.find((one) => one.name === name && one.kind === 'invoice.paid data.object.lines.data'),
    )
    const counted = countReads(withListOf(events[at], path, MANY))
    const { strides, made } = normalizeCounting(events.slice(0, at), counted)
    expect(made).toBe(MANY + 1)
    // A pause for every eighth body, when it is made and when it is written.
    expect(strides.length, name).toBeGreaterThan(MANY / 4)
    const inAll = strides.reduce((sum, reads) => sum + reads, 0)
    expect(Math.max(...strides), name).toBeLessThan(0.5 * inAll)
  }
})

/** Normalises an event as a batch does; how much of it was read in each stride, and how many events it became. */
function normalizeCounting(before: readonly Json[], { value, reads }: ReturnType<typeof countReads>, trace?: Trace) {
  const { world } = story(before)
  const due = dueOf(value, before.length)
  const strides: number[] = []
  let last = reads()
  const countStrides = <T>(work: Strides<T>): T => {
    for (;;) {
      const step = work.next()
      strides.push(reads() - last)
      last = reads()
      if (step.done) return step.value
    }
  }
  countStrides(collectLookups({ world, mappings }, due, noLookups()))
  const limits = { now: new Date(1000), holdSeconds: 0 }
  const { events } = countStrides(normalizeSourceEvent({ world, mappings, limits, trace }, due))
  return { strides, made: events.length }
}

/** Where plain data holds lists that are not empty, as far as one element of each. */
function listPathsOf(value: Json, path: string[]): string[][] {
  if (typeof value !== 'object' || value === null) return []
  if (!Array.isArray(value)) return Object.keys(value).flatMap((key) => listPathsOf(value[key], [...path, key]))
  return value.length === 0 ? [] : [path, ...listPathsOf(value[0], [...path, '0'])]
}

function withListOf(event: Json, path: readonly string[], length: number): Json {
  const copy = structuredClone(event)
  const list = path.reduce((at, key) => at[key], copy)
  const [first] = list
  list.length = 0
  for (let at = 0; at < length; at += 1) {
    const element = structuredClone(first)
    if (typeof element?.id === 'string') element.id += at
    list.push(element)
  }
  return copy
}

/** The same data, which counts what is read of it. */
function countReads(plain: Json): { value: Json; reads: () => number } {
  let reads = 0
  const known = new WeakMap<object, object>()
  const counting = (value: Json): Json => {
    if (typeof value !== 'object' || value === null) return value
    const made =
      known.get(value) ??
      new Proxy(value, {
        get(target, key) {
          reads += 1
          return counting(target[key as keyof typeof target])
        },
      })
    known.set(value, made)
    return made
  }
  return { value: counting(plain), reads: () => reads }
}
