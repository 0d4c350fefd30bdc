import { describe, expect, test } from 'vitest'
import { scenarios } from '../../simulator/scenarios.ts'
import { simulate } from '../../simulator/simulate.ts'
import { type Story, story } from '../support/story.ts'

const eventsOf = (name: string, apiVersion: string) => {
  const scenario = scenarios.find((one) => one.name === name)
  if (!scenario) throw new Error(`There is no scenario ${name}.`)
  return simulate(scenario, { apiVersion })
}
const refunds = ({ events }: Story) =>
  events.filter(({ type }) => type === 'item.refunded').map(({ body }) => JSON.parse(body).item)
/** The events with one type before all others. */
const first = <E extends { type: string }>(type: string, events: E[]) => [
  ...events.filter((event) => event.type === type),
  ...events.filter((event) => event.type !== type),
]

describe('a refund of one of several lines', () => {
  test.each(['2020-08-27', '2024-10-28.acacia', '2026-10-28.endive'])(
    'waits for the credit note that says which, in %s: Stripe sends it last',
    (apiVersion) => {
      const result = story(eventsOf('credit-note-refund', apiVersion), { patient: true })
      expect(refunds(result)).toMatchObject([{ name: 'Book', refundedAmount: 24.5, state: 'refunded' }])
    },
  )

  test('names the first line in the end, and says that it is the whole invoice, when no credit note comes', () => {
    const events = eventsOf('credit-note-refund', '2026-10-28.endive')
    const result = story(
      events.filter(({ type }) => type !== 'credit_note.created'),
      { patient: true },
    )
    expect(refunds(result)).toMatchObject([{ name: 'Workshop', metadata: { attribution: 'invoice' } }])
  })
})

describe('money on its way back to a bank', () => {
  test.each(['refund-pending', 'refund-fails'])('is not sent for its charge, should that come first: %s', (name) => {
    const events = eventsOf(name, '2026-10-28.endive')
    const [asRefunded] = events.filter(({ type }) => type === 'charge.refunded')
    const before = events.filter(({ created }) => created < (asRefunded?.created ?? 0))
    const soon = first(
      'charge.refunded',
      events.filter(({ created }) => created === asRefunded?.created),
    )
    expect(refunds(story([...before, ...soon], { patient: true }))).toEqual([])
  })

  test('is sent for its charge where Stripe sends no refund events', () => {
    const events = eventsOf('refund-pending', '2022-11-15')
    expect(refunds(story(events, { patient: true }))).toMatchObject([{ refundedAmount: 150, state: 'refunded' }])
  })
})

test('a refund goes on as soon as the invoice of its payment arrives, though the payment was known before', () => {
  const events = eventsOf('refund-partial-then-full', '2026-10-28.endive')
  const ofInvoice = ({ type }: { type: string }) => type.startsWith('invoice.')
  const others = events.filter((event) => !ofInvoice(event) && !event.type.startsWith('charge.'))
  const paid = events.filter(({ type }) => type === 'invoice.paid')
  const { outcomes } = story([...others, ...paid, ...events.filter(({ type }) => type === 'charge.refunded')], {
    patient: true,
  })
  expect(outcomes.slice(-5).map(({ type }) => type)).toEqual([
    'invoice.paid',
    'refund.created',
    'refund.created',
    'charge.refunded',
    'charge.refunded',
  ])
})
