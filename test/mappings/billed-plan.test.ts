import { describe, expect, test } from 'vitest'
import { RENDERED, simulate } from '../../simulator/simulate.ts'
import { VERSIONS } from '../../simulator/versions.ts'
import type { Json } from '../../src/domain/json.ts'
import { factWords } from '../../src/normalize/explain/hints.ts'
import { heard, story } from '../support/story.ts'

// A change of plan or quantity and the invoice that bills it are of one second, and are told in any order.

/** What invoice events show of their subscription, by event and state of the invoice. */
const shownBeside = (events: readonly Json[]) =>
  heard(story(events, { patient: true }))
    .filter(({ type }) => type.startsWith('invoice.'))
    .map(({ type, body }) => ({ type, ...JSON.parse(body) }))
    .map(({ type, invoice, subscription }) => {
      const { id, quantity, amount, total } = subscription ?? {}
      return `${invoice.id} ${type} ${invoice.state}: ${id} ${quantity} ${amount} ${total}`
    })
    .sort()

const isUpdate = ({ type }: Json) => type === 'customer.subscription.updated'
const isInvoice = ({ type }: Json) => type.startsWith('invoice.')
/** Of each second the invoice events before the updates of the subscription. */
const invoicesFirst = (events: readonly Json[]) => {
  const seconds = [...new Set(events.map(({ created }) => created as number))]
  return seconds.flatMap((second) => {
    const moment = events.filter(({ created }) => created === second)
    return [...moment.filter(isInvoice), ...moment.filter((event) => !isInvoice(event))]
  })
}
/** Of each second the updates of the subscription before all else. */
const updatesFirst = (events: readonly Json[]) => {
  const seconds = [...new Set(events.map(({ created }) => created as number))]
  return seconds.flatMap((second) => {
    const moment = events.filter(({ created }) => created === second)
    return [...moment.filter(isUpdate), ...moment.filter((event) => !isUpdate(event))]
  })
}

const CHANGES = [
  'plan-change',
  'quantity-change',
  'downgrade',
  'interval-change',
  'schedule-changes-plan',
  'trial-ends-early',
]
const every = CHANGES.flatMap((name) =>
  VERSIONS.flatMap((apiVersion) => RENDERED.map((rendered) => ({ name, apiVersion, rendered }))),
)

describe('an invoice shows the subscription that it bills, whichever of the two is told first', () => {
  test.each(every)('in $name of $apiVersion, rendered $rendered', ({ name, apiVersion, rendered }) => {
    const events = simulate(name as 'plan-change', { apiVersion, rendered })
    expect(shownBeside(invoicesFirst(events))).toEqual(shownBeside(updatesFirst(events)))
  })

  test('and is not waited with when it is told later, or the plan is one of the past', () => {
    const events = simulate('plan-change')
    const late = events
      .filter(isInvoice)
      .map((event) => ({ ...event, id: `${event.id}_late`, created: event.created + 9999 }))
    const inOrder = (patient: boolean) =>
      story([...events.filter((event) => !isInvoice(event)), ...late], { patient }).outcomes
    expect(inOrder(true).map(({ eventId }) => eventId)).toEqual(inOrder(false).map(({ eventId }) => eventId))
  })

  test('and is not waited with where the subscription has more items than it shows', () => {
    const events = invoicesFirst(simulate('plan-change')).map((event) => {
      const { object } = event.data
      const items = { ...object.items, has_more: true }
      return object.object === 'subscription'
        ? { ...event, data: { ...event.data, object: { ...object, items } } }
        : event
    })
    const order = (patient: boolean) => story(events, { patient }).outcomes.map(({ eventId }) => eventId)
    const kept = ({ type }: Json) => !/^(invoice|customer\.subscription)\./.test(type)
    const ids = new Set(events.filter((event) => !kept(event)).map(({ id }) => id as string))
    const ofBoth = (patient: boolean) => order(patient).filter((id) => ids.has(id))
    // The first invoice arrives before its subscription.
    expect(ofBoth(true).slice(4)).toEqual(ofBoth(false).slice(4))
  })
})

test('what an invoice waits for is said in words', () => {
  expect(factWords('plan:sub_1:price_pro×3')).toBe('the change of the subscription sub_1 to price_pro×3')
  expect(factWords('plan:sub_1:price_pro')).toBe('the change of the subscription sub_1 to price_pro')
})
