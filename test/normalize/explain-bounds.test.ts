import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { boundExplanation } from '../../src/normalize/explain/bounded.ts'
import type { ExplainedCondition, ExplainedEvent, Explanation } from '../../src/normalize/explain/explanation.ts'
import { createPageFiller } from '../../src/normalize/explain/page.ts'

const MAX_BYTES = 1_000_000
const times = <One>(count: number, make: (at: number) => One): One[] =>
  Array.from({ length: count }, (_, at) => make(at))
const url = (at: number) => `https://receiver-${at}.example/${'x'.repeat(2_000)}`

const eventWith = (over: Partial<ExplainedEvent>): ExplainedEvent => ({
  contract: 'flo.v1',
  mapping: 'flo/invoice',
  type: 'invoice.paid',
  key: 'invoice.paid:in_1',
  stored: null,
  toldBefore: null,
  fields: [],
  differs: [],
  deliveries: [],
  passedOver: [],
  wouldGoTo: [],
  ...over,
})
const shownOf = (event: ExplainedEvent): Json => {
  const page = createPageFiller({ from: { event: 0, field: 0 }, limit: 1 })
  page.takeUp(event, 0)
  return page.events[0]
}

describe('what a page leaves out of an event is counted', () => {
  test.each([
    ['differences', { differs: times(80, (at) => ({ field: `invoice.lines[${at}].amount`, stored: 1, now: 2 })) }],
    [
      'endpoints passed over',
      { passedOver: times(5_000, (at) => ({ endpointId: `${at}`, url: url(at), why: 'filter', message: '' })) },
    ],
    ['endpoints that would get it', { wouldGoTo: times(5_000, (at) => ({ endpointId: `${at}`, url: url(at) })) }],
    [
      'deliveries, of which the newest are shown',
      {
        deliveries: times(5_000, (at) => ({
          ...{
            id: `${at}`,
            endpointId: `${at}`,
            url: url(at),
            origin: 'fanout' as const,
            state: 'pending',
            reason: null,
          },
          ...{ attempts: 0, nextAttemptAt: null, waitsFor: null, lastAttempt: null },
        })),
      },
    ],
  ])('%s', (_, over) => {
    const shown = shownOf(eventWith(over))
    const [[name, all] = ['', []]] = Object.entries(over)
    expect(shown[name].length).toBeGreaterThan(0)
    expect(shown[name].length + shown.leftOut).toBe(all.length)
    expect(JSON.stringify(shown).length).toBeLessThan(MAX_BYTES / 4)
    if (name === 'deliveries') expect(shown.deliveries.at(-1).id).toBe('4999')
  })
})

const condition = (over: Partial<ExplainedCondition> = {}): ExplainedCondition => ({
  words: 'status is paid',
  holds: true,
  ...over,
})
const explanationWith = (conditions: ExplainedCondition[], over: Partial<Explanation> = {}) =>
  ({
    summary: 'It became invoice.paid.',
    differs: null,
    hints: [],
    lookups: [],
    waitsFor: [],
    events: [],
    mappings: [
      {
        contract: 'flo.v1',
        mapping: 'flo/invoice',
        again: false,
        rules: conditions.map((one, at) => ({ at, says: 'invoice.paid', when: null, holds: true, condition: one })),
        owed: null,
        says: { kind: 'emit', what: 'invoice.paid', because: null },
      },
    ],
    ...over,
  }) as unknown as Explanation
const conditionsOf = (bounded: Explanation): Json[] =>
  bounded.mappings.flatMap(({ rules }) => rules.map((rule) => rule.condition))

describe('what is left out of conditions is counted', () => {
  test('changes', () => {
    const changes = times(25, (at) => ({ field: `f${at}`, before: 1, now: 2 }))
    const [shown] = conditionsOf(boundExplanation(explanationWith([condition({ changes })])))
    expect(shown.changes.length + shown.leftOut).toBe(25)
  })

  test('parts of the conditions that come when the reply is full', () => {
    const part = condition({ now: 'y'.repeat(5_000), before: 'z'.repeat(5_000) })
    const conditions = times(300, () => condition({ of: times(10, () => part), needs: 'one' }))
    const bounded = boundExplanation(explanationWith(conditions))
    expect(JSON.stringify(bounded).length).toBeLessThan(MAX_BYTES / 2)
    for (const { of = [], leftOut = 0 } of conditionsOf(bounded)) expect(of.length + leftOut).toBe(10)
  })

  test('elements that an earlier step has not told', () => {
    const [shown] = conditionsOf(boundExplanation(explanationWith([condition({ leftOut: 7 })])))
    expect(shown.leftOut).toBe(7)
  })
})

test('a reading that was not told counts beside those that a page cuts', () => {
  const read = { path: 'amount', value: 1, role: 'value' as const, object: null, until: null }
  const fields = [
    { field: 'item.state', value: 'refunded', reads: times(120, () => read), absent: [], through: [], leftOut: 5 },
  ]
  const [{ reads, leftOut }] = shownOf(eventWith({ fields })).fields
  expect(reads.length + leftOut).toBe(125)
})
