import { expect } from 'vitest'
import type { NewEvent } from '../../src/normalize/new-events.ts'
import { heard, SOURCE, type Story } from './story.ts'

/** An event as far as its facts go. */
export type ToldEvent = Pick<NewEvent, 'contract' | 'type' | 'key' | 'body'>

// What is told depends on the order of arrival here, and why. Whoever changes that takes the row away.
export const DEPENDING: { scenario: RegExp; versions: RegExp; patient: RegExp; fact: RegExp; because: string }[] = [
  {
    scenario: /refund/,
    versions: /./,
    patient: /false/,
    fact: / item\.refunded/,
    because: 'of a refund that is seen before its purchase, credit note or failure nobody knows that; a gateway waits',
  },
  {
    scenario: /^dunning-to-canceled$/,
    versions: /^20(1|20|22)/,
    patient: /./,
    fact: / subscription\.cancelled:/,
    because: 'without cancellation_details only an earlier state tells that an end was not asked for',
  },
  {
    scenario: /^customer-deleted$/,
    versions: /./,
    patient: /./,
    fact: / subscription\.cancelled:/,
    because:
      'an end that came with the end of the customer is told from one that was asked for by what is known of them',
  },
  {
    scenario: /^trial-ends-early$/,
    versions: /./,
    patient: /false/,
    fact: / subscription\.renewed:/,
    because: 'that a trial was ended early only the subscription says; a gateway waits for it',
  },
]

const uuidOf = (body: string): string => JSON.parse(body).subscription.uuid
const expiredOf = (events: readonly ToldEvent[]): Set<string> =>
  new Set(events.filter(({ type }) => type === 'subscription.expired').map(({ body }) => uuidOf(body)))

/** The business keys of all but `*.updated`, without what the order of arrival may choose in them. */
export const factsOf = ({ events }: { events: readonly ToldEvent[] }): string[] =>
  events
    .filter(({ type }) => !type.endsWith('.updated'))
    // Once the end is told no renewal follows, though it was paid before: whether it is told is up to the order of arrival.
    .filter(({ type, body }) => type !== 'subscription.renewed' || !expiredOf(events).has(uuidOf(body)))
    // A key begins with the source and, of a test mode or a connected account, with that.
    .map(({ contract, key }) => `${contract} ${key.slice(SOURCE.length).replace(/^(@[^:]*)?:/, '')}`)
    // A pause is named by the second of whichever of its two sights came first, a refund by its id or by its charge and sum.
    .map((fact) => fact.replace(/ (subscription\.(paused|resumed):\w+):.*/, ' $1'))
    .map((fact) => fact.replace(/ item\.refunded:(\w+:\d+:\d+|\w+)/, ' item.refunded'))
    // The id of a user of whom the client's own id is not known yet is one of its customer.
    .map((fact) => fact.replace(/(account\.created):.*/, '$1'))
    // Once the end is told no second cancellation is: how many were told before it is up to the order of arrival.
    .map((fact, _at, all) => {
      const [, contract, cancelled] = /^(\S+) subscription\.cancelled:(\w+)/.exec(fact) ?? []
      const hasEnded = all.some((other) => other === `flo.v1 subscription.expired:${cancelled}`)
      return hasEnded ? `${contract} subscription.cancelled:${cancelled}` : fact
    })
    .filter((fact, at, all) => !/ subscription\.cancelled:\w+$/.test(fact) || all.indexOf(fact) === at)
    .sort()

/** What gives access to a subscription. */
const GRANTING = /^(\S+) subscription\.(?:created|reactivated|resumed|purchased|upgraded|downgraded):(\w+)/

/**
 * The facts of a story that have to be the same in another order, and those of the other. Once the end of a subscription is told,
 * nothing follows that would give access again: what arrived after it and says so is in neither.
 */
export function firmFacts(told: Story, inOrder: Story): { told: string[]; inOrder: string[] } {
  const overtakenByTheEnd = new Set(
    told.outcomes.flatMap(({ about, judged }) =>
      judged.flatMap(({ contract, verdict }) =>
        verdict.kind === 'ignore' && verdict.code === 'already_ended' ? [`${contract} ${about}`] : [],
      ),
    ),
  )
  const isFirm = (fact: string) => {
    const [, contract, subscription] = GRANTING.exec(fact) ?? []
    return !overtakenByTheEnd.has(`${contract} ${subscription}`)
  }
  return { told: factsOf(told).filter(isFirm), inOrder: factsOf(inOrder).filter(isFirm) }
}

/** What each event showed of its subscription or invoice, without what is no news: who told it, its period, when a pause began, what others say of it. */
const shownBy = (told: Story) =>
  heard(told)
    .filter(({ type }) => type !== 'subscription.renewed' && !type.startsWith('item.'))
    .map(({ type, body }) => {
      const { subscription, invoice } = JSON.parse(body)
      const {
        pausedAt: _paused,
        startDate: _start,
        endDate: _end,
        name: _name,
        description: _description,
        invoiceDetails,
        ...rest
      } = type.startsWith('invoice.') ? invoice : subscription
      const { gatewayEventType: _type, gatewayEventId: _id, paymentMethod: _method, ...details } = invoiceDetails ?? {}
      return { type, of: rest.uuid as string, object: JSON.stringify({ ...rest, details }) }
    })

/** An overtaken update may be missing; but none is told that would not be told in order, and what is told last in order is told. */
export function expectTheSameUpdates(told: Story, inOrder: Story, seen: string) {
  const [ordered, shown] = [shownBy(inOrder), shownBy(told)]
  const everShown = new Set(ordered.map(({ object }) => object))
  const invented = shown.filter(({ type, object }) => type.endsWith('.updated') && !everShown.has(object))
  expect(invented, `updates that in order nobody tells, after\n${seen}`).toEqual([])
  const last = new Map(ordered.map(({ of, object }) => [of, object]))
  const lost = [...last.values()].filter((object) => !shown.some((one) => one.object === object))
  expect(lost, `what in order is told last and was not told, after\n${seen}`).toEqual([])
}
