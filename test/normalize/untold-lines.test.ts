import { describe, expect, test } from 'vitest'
import { simulate } from '../../simulator/simulate.ts'
import { VERSIONS } from '../../simulator/versions.ts'
import type { Json } from '../../src/domain/json.ts'
import { hintsFor } from '../../src/normalize/explain/hints.ts'
import { createFailureListener, type MappingFailure } from '../../src/operations/failures.ts'
import { present } from '../support/present.ts'
import { story } from '../support/story.ts'

const reasonOf = (events: readonly Json[], type: string) => {
  const { state, code } = present(story(events).outcomes.find((one) => one.type === type)).outcome
  return { state, code }
}
const untold = { state: 'normalized', code: 'lines_untold' }

describe('what is beyond the first page of lines, for a source without an API key', () => {
  test.each(VERSIONS)('is missed by the source event of an invoice in %s', (apiVersion) => {
    expect(reasonOf(simulate('many-lines', { apiVersion }), 'invoice.paid')).toEqual(untold)
    expect(reasonOf(simulate('one-off-invoice', { apiVersion }), 'invoice.paid')).toEqual({
      state: 'normalized',
      code: null,
    })
  })

  test.each(VERSIONS)('is missed by the source event of a Checkout session in %s', (apiVersion) => {
    const withLines = (hasMore: boolean) =>
      simulate('checkout-payment', { apiVersion }).map((event) => {
        if (event.type !== 'checkout.session.completed') return event
        const line = {
          id: 'li_1',
          object: 'item',
          amount_subtotal: 900,
          currency: 'usd',
          quantity: 1,
          price: { id: 'p_1' },
        }
        const list = { object: 'list', data: [line], has_more: hasMore }
        return { ...event, data: { object: { ...event.data.object, line_items: list } } }
      })
    expect(reasonOf(withLines(true), 'checkout.session.completed')).toEqual(untold)
    expect(reasonOf(withLines(false), 'checkout.session.completed')).toEqual({ state: 'normalized', code: null })
  })

  test('is explained, and reported to the operator once', () => {
    expect(hintsFor('lines_untold').join()).toContain('API key')
    expect(hintsFor('lines_untold').join()).toContain('renormalize --state normalized --code lines_untold')
    const reported: MappingFailure[] = []
    const listen = createFailureListener((_client, failure) => reported.push(failure))
    const outcomes = ['se_1', 'se_2'].map((id) => ({
      ...{ id, sourceId: 's_1', type: 'invoice.paid', ...untold, message: 'Sent with the first page of lines alone.' },
      receivedAt: new Date(0),
    }))
    listen({ clientId: 'c_1', outcomes, events: [] } as unknown as Parameters<typeof listen>[0])
    expect(reported.map(({ code, sourceEventId }) => [code, sourceEventId])).toEqual([['lines_untold', 'se_1']])
  })
})
