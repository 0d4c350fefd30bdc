import { describe, expect, test } from 'vitest'
import { scenarios } from '../../simulator/scenarios.ts'
import { simulate } from '../../simulator/simulate.ts'
import type { Json } from '../../src/domain/json.ts'
import { cases, fixture } from '../support/fixtures.ts'
import { GARBAGE, placesIn, replaceAt } from '../support/garbage.ts'
import { heard, story } from '../support/story.ts'
import { chooseCount } from '../support/thorough.ts'

// Whatever an event holds, it ends in one state, and its neighbours go on.

/** `FLO_GARBAGE=<n>` tries n kinds of garbage in every place; without it, each fixture has one kind in every fifteenth. */
const KINDS_PER_PLACE = Number(process.env.FLO_GARBAGE ?? 0)
const STRIDE = 15
/** Of the events of a story one in so many is malformed, each in a telling of its own; `FLO_THOROUGH=1` takes each. */
const STORY_STRIDE = chooseCount(4, 1)
/** What an event that cannot be mapped says: which field it is. */
const NAMES_THE_FIELD = ['unreadable_value', 'unmapped_value']

/** Places of an event with the garbage that each gets; the next place gets the next kind. */
const malformedOf = (event: Json, offset: number) =>
  placesIn(event.data)
    .flatMap((place, at) => (KINDS_PER_PLACE > 0 || at % STRIDE === offset % STRIDE ? [{ place, at }] : []))
    .flatMap(({ place, at }) =>
      Array.from({ length: Math.max(1, KINDS_PER_PLACE) }, (_, nth) => {
        const [kind, garbage] = GARBAGE[(at * 7 + offset + nth) % GARBAGE.length] ?? ['', null]
        return { name: `${place.join('.')}: ${kind}`, event: replaceAt(event, ['data', ...place], garbage) }
      }),
    )

describe('garbage in any place of any event', () => {
  test.each(cases.map(([name, events], at) => [name, events, at] as const))('%s', (_, events, at) => {
    const wrong = malformedOf(events.at(-1), at).flatMap(({ name, event }) => {
      const last = story([...events.slice(0, -1), event]).outcomes.at(-1)?.outcome
      const isRight = last && (last.state !== 'failed' || NAMES_THE_FIELD.includes(last.code ?? ''))
      return isRight ? [] : [`${name}: ${last?.code} ${last?.message}`]
    })
    expect(wrong).toEqual([])
  })
})

/** Whether an event has ended in a state that tells its sender what it was. */
const isToldOutcome = ({ state, code }: { state: string; code: string | null }) =>
  state !== 'failed' || NAMES_THE_FIELD.includes(code ?? '')

describe('garbage in the middle of a story of the simulator', () => {
  // Later events read what the malformed one has left behind.
  test.each(scenarios.map((scenario, at) => [scenario.name, scenario, at] as const))('%s', (_, scenario, seed) => {
    const events: Json[] = simulate(scenario, { clientUserId: 'user_1', seed })
    const wrong = events.flatMap((event, nth) => {
      if ((nth + seed) % STORY_STRIDE !== 0) return []
      const places = placesIn(event.data)
      const place = places[(seed * 31 + nth * 17) % places.length] ?? []
      const [kind, garbage] = GARBAGE[(seed + nth * 5) % GARBAGE.length] ?? ['', null]
      const broken = replaceAt(event, ['data', ...place], garbage)
      const { outcomes } = story([...events.slice(0, nth), broken, ...events.slice(nth + 1)])
      return outcomes
        .filter(({ outcome }) => !isToldOutcome(outcome))
        .map(({ type, outcome }) => `${place.join('.')} of ${event.type}: ${kind}: ${type} ${outcome.message}`)
    })
    expect(wrong).toEqual([])
  })
})

/** The last event of a fixture with something else in one place, and what becomes of it. */
const become = (name: string, place: readonly (string | number)[], garbage: Json) => {
  const events = fixture(name)
  const told = story([...events.slice(0, -1), replaceAt(events.at(-1), ['data', 'object', ...place], garbage)])
  const last = told.outcomes.at(-1)
  return {
    outcome: last?.outcome,
    body: heard({ ...told, events: last?.events ?? [] }).map((one) => JSON.parse(one.body)),
  }
}
const INVOICE = 'invoice-tax-exclusive-2022'
const CREATED = 'subscription-created-with-trial-clover'
const price = ['items', 'data', 0, 'price']

describe('what cannot be read and may be null is null', () => {
  test.each([
    ['tax', 'null', 'tax'],
    ['total', '12,50', 'total'],
    ['currency', 5, 'currency'],
    ['number', { a: 1 }, 'number'],
    ['metadata', 'x', 'metadata'],
    ['due_date', 'tomorrow', 'dueDate'],
    ['due_date', 1e15, 'dueDate'],
  ])('%s of an invoice: %j', (field, garbage, name) => {
    const { outcome, body } = become(INVOICE, [field], garbage)
    expect(outcome).toMatchObject({ state: 'normalized' })
    expect(body[0].invoice[name]).toBeNull()
  })
  test.each([
    [['items', 'data', 0, 'quantity'], 'many', ['quantity', 'total']],
    [[...price, 'unit_amount'], 'NaN', ['amount', 'total']],
    [price, { currency: 'usd', unit_amount: null, unit_amount_decimal: '1e100000000' }, ['amount', 'total']],
    [[...price, 'transform_quantity'], { divide_by: 0, round: 'up' }, ['total']],
    [[...price, 'transform_quantity'], { divide_by: 'abc', round: 'up' }, ['total']],
    [[...price, 'transform_quantity'], { divide_by: '', round: 'up' }, ['total']],
  ] as [(string | number)[], Json, string[]][])('%j of a subscription: %j', (place, garbage, names) => {
    const { outcome, body } = become(CREATED, place, garbage)
    expect(outcome).toMatchObject({ state: 'normalized' })
    for (const name of names) expect(body[0].subscription[name]).toBeNull()
  })
})

describe('what cannot be read and has to be known fails the event, by its place', () => {
  test.each([
    [INVOICE, ['lines', 'data'], [null], 'lines.data.0: null'],
    [INVOICE, ['lines', 'data'], 'many', 'lines.data: a text of 4 characters'],
    [INVOICE, ['lines'], 'many', 'lines.data: stands below a text'],
    [INVOICE, ['customer'], 5, 'customer'],
    [INVOICE, ['id'], 'in_\0', 'id: a text of 4 characters is no id'],
    [INVOICE, ['status'], [null], 'status'],
    [CREATED, ['customer'], 'x'.repeat(600), 'customer'],
    [CREATED, ['metadata', 'client_user_id'], 'user\0', 'metadata.client_user_id: a text of 5 characters'],
    [CREATED, ['metadata', 'client_user_id'], 'user\ud800', 'metadata.client_user_id: a text of 5 characters'],
  ] as [string, string[], Json, string][])('%s %j: %j', (name, place, garbage, message) => {
    const { outcome, body } = become(name, place, garbage)
    expect(outcome).toMatchObject({ state: 'failed', code: 'unreadable_value' })
    expect(outcome?.message).toContain(message)
    expect(outcome?.message?.length).toBeLessThan(300)
    expect(body).toEqual([])
  })

  test('nothing of a value is quoted', () => {
    const { outcome } = become(CREATED, ['status'], `sk_live_${'x'.repeat(100)}`)
    expect(outcome).toMatchObject({ state: 'failed', code: 'unmapped_value' })
    expect(outcome?.message).not.toContain('sk_live_')
  })
})

test('the state before an event that cannot be read is not known, and stops nothing', () => {
  const [created, changed] = fixture('subscription-quantity-changed-2020')
  for (const previous of [
    { items: [null] },
    { items: { data: [null] } },
    { items: { data: 5 } },
    { plan: 5 },
    'x',
    [null],
  ]) {
    const event = { ...changed, data: { ...changed.data, previous_attributes: previous } }
    expect(story([created, event].filter(Boolean)).outcomes.at(-1)?.outcome.state).not.toBe('failed')
  }
})

test('a number that stands for more than fits takes no time', () => {
  const begun = performance.now()
  for (const garbage of ['1e100000000', '-1e-100000000', '9'.repeat(1_000_000)])
    become(CREATED, price, { currency: 'usd', unit_amount: null, unit_amount_decimal: garbage })
  expect(performance.now() - begun).toBeLessThan(5_000)
})

test('an object that holds what cannot be read does not stop the events after it', () => {
  const [created] = fixture(CREATED)
  for (const [, garbage] of GARBAGE) {
    const broken = replaceAt(created, ['data', 'object', 'items'], garbage)
    const changed = {
      ...created,
      id: 'evt_after',
      type: 'customer.subscription.updated',
      created: created.created + 60,
    }
    const { outcomes } = story([broken, changed])
    expect(outcomes.at(-1)?.outcome.state).not.toBe('failed')
  }
})
