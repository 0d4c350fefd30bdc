import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { contracts, mappings } from '../../mappings/index.ts'
import type { Json } from '../../src/domain/json.ts'
import { previousOf } from '../support/life.ts'
import { present } from '../support/present.ts'
import { type Story, story } from '../support/story.ts'

const corpus = process.env.FLO_CORPUS ?? ''
const readCorpusFile = (file: string) => readFileSync(join(corpus, file), 'utf8')
const readLines = (file: string): Json[] =>
  readCorpusFile(file)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

/** Every event type whose object has this `object`. */
const families: Record<string, string[]> = {
  subscription: ['customer.subscription'],
  charge: ['charge'],
  refund: ['refund', 'charge.refund'],
}
const typesOf = (kind: string) => {
  const mappedTypes = Object.values(mappings).flatMap((list) => list.flatMap(({ on }) => on.types as readonly string[]))
  const ofFamily = mappedTypes.filter((type) =>
    (families[kind] ?? [kind]).some((family) => type.slice(0, type.lastIndexOf('.')) === family),
  )
  return [...new Set([...ofFamily, `${kind}.created`, `${kind}.updated`])]
}

/** One object as every event that could carry it, updates with and without what changed. */
const wrapObjects = (object: Json): Json[] =>
  typesOf(object.object).flatMap((type) => {
    const previous = [undefined, { metadata: { earlier: 'yes' } }, { status: 'open' }]
    return (type.endsWith('.updated') ? previous : [undefined]).map((previous_attributes) => ({
      type,
      created: 1_760_000_000,
      data: { object, ...(previous_attributes ? { previous_attributes } : {}) },
    }))
  })

/** The failures, but for values that nobody knows, and the bodies that the contract would not take. */
const troublesOf = ({ outcomes }: Story) =>
  outcomes.flatMap(({ type, outcome, events }) => [
    ...(outcome.state === 'failed' && outcome.code !== 'unmapped_value' ? [`${type}: ${outcome.message}`] : []),
    ...events.flatMap((event) => {
      const parsed = present(present(contracts[event.contract]).schemas[event.type]).safeParse(JSON.parse(event.body))
      return parsed.success ? [] : [`${type}: ${parsed.error.message}`]
    }),
  ])
const withIds = (events: Json[]) => events.map((event, at) => ({ ...event, id: `evt_${at}` }))

describe.skipIf(corpus === '')('what was recorded (set FLO_CORPUS to its folder)', () => {
  test('every event, one after another, as one source sent them', () => {
    const recordedStory = story(withIds(readLines('stripe-events.jsonl').map(({ event }) => event)))
    expect(troublesOf(recordedStory)).toEqual([])
    expect(recordedStory.events.length).toBeGreaterThan(50)
  })

  test('every event alone', () => {
    for (const event of withIds(readLines('stripe-events.jsonl').map(({ event }) => event)))
      expect(troublesOf(story([event]))).toEqual([])
  })

  test('every object, as each event that could carry it', () => {
    for (const { object } of readLines('stripe-objects.jsonl'))
      for (const event of withIds(wrapObjects(object))) expect(troublesOf(story([event]))).toEqual([])
  })

  test('every object that was recorded in two states, as the change between them', () => {
    const states = Map.groupBy(
      readLines('stripe-objects.jsonl').map(({ object }) => object),
      ({ id }) => id,
    )
    const changed = [...states.values()].filter((list) => list.length > 1)
    expect(changed.length).toBeGreaterThan(10)
    for (const [before, after] of changed) {
      const family = families[before.object]?.[0] ?? before.object
      const events = withIds([
        { type: `${family}.created`, created: 1_760_000_000, data: { object: before } },
        {
          type: `${family}.updated`,
          created: 1_760_000_060,
          data: { object: after, previous_attributes: previousOf(before, after) },
        },
      ])
      expect(troublesOf(story(events))).toEqual([])
      expect(troublesOf(story(events.toReversed()))).toEqual([])
    }
  })

  test('every resource in the shape of every version, as each event that could carry it', () => {
    const { versions } = JSON.parse(readCorpusFile('stripe-shapes.json'))
    for (const resources of Object.values<Json>(versions))
      for (const object of Object.values<Json>(resources))
        if (typeof object.object === 'string')
          for (const event of withIds(wrapObjects(object))) expect(troublesOf(story([event]))).toEqual([])
  })
})
