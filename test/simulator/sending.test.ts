import { describe, expect, test } from 'vitest'
import { scenarios } from '../../simulator/scenarios.ts'
import { type RENDERED, simulate } from '../../simulator/simulate.ts'
import { VERSIONS } from '../../simulator/versions.ts'
import { present } from '../support/present.ts'
import { ranksOf } from '../support/ranks.ts'
import { factsOf } from '../support/same-story.ts'
import { heard, type Story, story, storyWorld } from '../support/story.ts'

const every = scenarios.flatMap((scenario) => VERSIONS.map((apiVersion) => ({ scenario, apiVersion })))

/** What was told of invoices and subscriptions, in order. */
const toldOf = (some: Story) =>
  heard(some)
    .map(({ type, body }) => ({ type, ...JSON.parse(body) }))
    .filter(({ type }) => !type.startsWith('item.'))
    .map(({ type, invoice, subscription }) => {
      const { uuid, state, invoiceDetails, ...rest } = type.startsWith('invoice.') ? invoice : subscription
      const { gatewayEventType: _type, gatewayEventId: _id, ...details } = invoiceDetails ?? {}
      const shows = JSON.stringify({ ...rest, details })
      return { type: type as string, of: uuid as string, state: state as string, shows }
    })

/** The facts without the second that some are named by: the moment's, not their own. */
const happeningsOf = (some: Story) => factsOf(some).map((fact) => fact.replace(/\.\d{10}$/, ''))

describe('events that are rendered when they are sent', () => {
  test.for(every)('of $scenario.name in $apiVersion tell the same facts, and no update twice', (one) => {
    const { scenario, apiVersion } = one
    const play = (rendered: (typeof RENDERED)[number]) => {
      const events = simulate(scenario, { apiVersion, rendered })
      return story(events, { world: storyWorld(ranksOf(scenario, events)) })
    }
    const sent = play('when it is sent')
    expect(sent.outcomes.filter(({ outcome }) => outcome.state === 'failed')).toEqual([])
    expect(happeningsOf(sent)).toEqual(happeningsOf(play('when it happens')))
    const told = toldOf(sent)
    for (const [at, { type, of, state, shows }] of told.entries()) {
      if (!type.endsWith('.updated')) continue
      const before = told.slice(0, at).findLast((other) => other.of === of)
      expect({ state, shows }, type).not.toEqual({ state: before?.state, shows: before?.shows })
      if (state === 'paid' || state === 'expired') expect(before?.state, type).toBe(state)
    }
  })

  test('are told as one update of one moment, in the last state of that moment', () => {
    const events = simulate('renewal', { rendered: 'when it is sent' })
    const invoice = events.findLast(({ type }) => type === 'invoice.paid')?.data.object.id
    const told = events
      .filter(({ type, data }) => type.startsWith('invoice.') && data.object.id === invoice)
      .map(({ type, data }) => [type, data.object.status, data.previous_attributes?.status])
    expect(told).toEqual([
      ['invoice.created', 'draft', undefined],
      ['invoice.updated', 'paid', 'draft'],
      ['invoice.finalized', 'paid', undefined],
      ['invoice.paid', 'paid', undefined],
      ['invoice.payment_succeeded', 'paid', undefined],
    ])
  })

  test('a renewal whose invoice is final and paid in one second is created, paid and renewed', () => {
    for (const apiVersion of VERSIONS) {
      const told = story(simulate('renewal', { apiVersion, rendered: 'when it is sent' }))
      expect(heard(told).map(({ type }) => type)).toEqual([
        'subscription.created',
        'invoice.created',
        'invoice.paid',
        'invoice.created',
        'invoice.paid',
        'subscription.renewed',
      ])
    }
  })

  test('an update of the moment of a payment is no news, though it is of a second after', () => {
    for (const apiVersion of VERSIONS.filter((version) => version >= '2019')) {
      const events = simulate('renewal', { apiVersion })
      const place = events.findLastIndex(({ type }) => type === 'invoice.paid')
      const last = present(events[place])
      const object = { ...last.data.object, metadata: { a: 'b' } }
      const paid = { ...last, data: { object } }
      const update = (seconds: number) => ({
        ...paid,
        id: `evt_${seconds}`,
        type: 'invoice.updated',
        created: object.status_transitions.paid_at + seconds,
        data: { object, previous_attributes: { metadata: { a: null } } },
      })
      const told = (...run: typeof events) =>
        heard(story([...events.slice(0, place), ...run]))
          .filter(({ type, body }) => type.startsWith('invoice.') && JSON.parse(body).invoice.state === 'paid')
          .map(({ type }) => type)
          .slice(1)
      for (const seconds of [0, 1, 2]) {
        expect(told(update(seconds), paid), apiVersion).toEqual(['invoice.paid'])
        expect(told(paid, update(seconds)), apiVersion).toEqual(['invoice.paid'])
        expect(told(last, update(seconds)), apiVersion).toEqual(['invoice.paid', 'invoice.updated'])
      }
      expect(told(update(60), paid), apiVersion).toEqual(['invoice.updated', 'invoice.paid'])
    }
  })
})
