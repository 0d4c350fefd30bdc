import { describe, expect, test } from 'vitest'
import { createPrice, createProduct } from '../../simulator/catalog.ts'
import { createCustomer } from '../../simulator/customers.ts'
import { renewSubscription } from '../../simulator/cycles.ts'
import { prorationLine } from '../../simulator/lines.ts'
import { defineScenario, type Scenario } from '../../simulator/scenario.ts'
import { RENDERED, simulate } from '../../simulator/simulate.ts'
import { startSubscription } from '../../simulator/subscriptions.ts'
import { VERSIONS } from '../../simulator/versions.ts'
import type { World } from '../../simulator/world.ts'
import type { Json } from '../../src/domain/json.ts'
import { heard, story } from '../support/story.ts'

const tell = (name: string, play: (world: World) => void): Scenario =>
  defineScenario({ name, about: name, play, flo: [], florentin: [] })

const licensedPrice = (world: World) => createPrice(world, createProduct(world, 'Seats'), 2900)
const meteredPrice = (world: World) => createPrice(world, createProduct(world, 'Calls'), '0.25', { usage: 'metered' })

/** Renewals of which the first page of lines shows the new period in ways of its own, or not at all. */
const renewals = [
  tell('a first page of prorations alone', (world) => {
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: licensedPrice(world) }])
    const item = { ...subscription.items[0], quantity: 1 } as Parameters<typeof prorationLine>[2]
    const waiting = Array.from({ length: 12 }, (_, at) => prorationLine(world, subscription, item, at % 2 ? -1 : 1))
    renewSubscription(world, ada, subscription, { waiting })
  }),
  tell('usage in arrears beside a licensed item', (world) => {
    const ada = createCustomer(world)
    const wanted = [{ price: licensedPrice(world) }, { price: meteredPrice(world) }]
    const { subscription } = startSubscription(world, ada, wanted)
    renewSubscription(world, ada, subscription, { usage: 400 })
  }),
  tell('usage in arrears before a licensed item', (world) => {
    const ada = createCustomer(world)
    const wanted = [{ price: meteredPrice(world) }, { price: licensedPrice(world) }]
    const { subscription } = startSubscription(world, ada, wanted)
    renewSubscription(world, ada, subscription, { usage: 400 })
  }),
  tell('usage alone, in arrears', (world) => {
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: meteredPrice(world) }])
    renewSubscription(world, ada, subscription, { usage: 400 })
  }),
  tell('no line at all', (world) => {
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: licensedPrice(world) }])
    renewSubscription(world, ada, subscription, { adjust: (lines) => lines.splice(0) })
  }),
  tell('two periods billed ahead beside usage', (world) => {
    const ada = createCustomer(world)
    const wanted = [{ price: licensedPrice(world) }, { price: meteredPrice(world) }]
    const { subscription } = startSubscription(world, ada, wanted)
    renewSubscription(world, ada, subscription, { usage: 400, periods: 2 })
  }),
]
const every = renewals.flatMap((scenario) => VERSIONS.map((apiVersion) => ({ scenario, apiVersion })))

const isRoll = ({ type, data }: Json) => type === 'customer.subscription.updated' && data.previous_attributes
const periodsOf = (events: readonly Json[], patient = false) =>
  heard(story(events, { patient }))
    .filter(({ type }) => type === 'subscription.renewed')
    .map(({ body }) => JSON.parse(body).subscription)
    .map(({ startDate, endDate }) => [startDate, endDate])

describe('the period of a renewal is the one that begins', () => {
  test.for(every)('with $scenario.name in $apiVersion', ({ scenario, apiVersion }) => {
    const events = simulate(scenario, { apiVersion, start: new Date('2026-03-01T09:30:00Z') })
    const end = scenario.name.startsWith('two periods') ? '2026-06-01T09:30:00.000Z' : '2026-05-01T09:30:00.000Z'
    // A page without a line of any period is no sign of a renewal where the shape does not say so.
    const isUnnamed = scenario.name === 'no line at all' && apiVersion < '2018-05-21'
    const wanted = isUnnamed ? [] : [['2026-04-01T09:30:00.000Z', end]]
    expect(periodsOf(events)).toEqual(wanted)
    const rolls = events.filter(isRoll)
    expect(periodsOf([...events.filter((event) => !rolls.includes(event)), ...rolls], true)).toEqual(wanted)
  })

  test('where the roll never arrives, the boundary is its start, and its end is not known', () => {
    for (const scenario of renewals.slice(0, 1).concat(renewals.slice(3, 4))) {
      const events = simulate(scenario, { start: new Date('2026-03-01T09:30:00Z') })
      const unrolled = events.filter((event) => !isRoll(event))
      expect(periodsOf(unrolled, true)).toEqual([['2026-04-01T09:30:00.000Z', null]])
    }
  })

  test.each(VERSIONS)('where its invoice is paid when the next period has begun, in %s', (apiVersion) => {
    for (const rendered of RENDERED) {
      const events = simulate('usage-paid-late', { apiVersion, rendered, start: new Date('2026-03-01T09:30:00Z') })
      const wanted = [
        ['2026-04-01T09:30:00.000Z', '2026-05-01T09:30:00.000Z'],
        ['2026-05-01T09:30:00.000Z', '2026-06-01T09:30:00.000Z'],
      ]
      expect(periodsOf(events)).toEqual(wanted)
      expect(periodsOf(events, true)).toEqual(wanted)
    }
  })
})

describe('items of different intervals renew each for its own period', () => {
  const start = new Date('2026-03-01T09:30:00Z')
  const at = (date: string) => `${date}T09:30:00.000Z`
  const shorts = [
    [at('2026-04-01'), at('2026-05-01')],
    [at('2026-05-01'), at('2026-06-01')],
  ]

  test.each(VERSIONS)('a month beside a year or a quarter, and the longest where both are due, in %s', (apiVersion) => {
    for (const rendered of RENDERED)
      for (const patient of [false, true]) {
        const play = (name: string) => periodsOf(simulate(name, { apiVersion, rendered, start }), patient)
        expect(play('year-beside-month')).toEqual(shorts)
        expect(play('several-intervals')).toEqual([...shorts, [at('2026-06-01'), at('2026-09-01')]])
      }
  })
})
