import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import type { z } from 'zod'
import type { floSubscription } from '../../src/contracts/flo.ts'
import { isoTime } from '../../src/language/converters.ts'
import { each } from '../../src/language/list-words.ts'
import type { Expr, Shape } from '../../src/language/mapping.ts'
import { always, defineMapping, firstOf, on, oneOf, reading } from '../../src/language/words.ts'

// What a mapping must not say is refused by the compiler: each line below an expectation of an error is one mistake, and
// `npm run types` fails when one of them compiles. Nothing here is run.

const subscription = on('customer.subscription.created', 'customer.subscription.updated')
const { from, has: is, type } = subscription
const statuses = {
  incomplete: 'incomplete',
  trialing: 'trialing',
  active: 'active',
  past_due: 'past_due',
  unpaid: 'unpaid',
  paused: 'paused',
  canceled: 'expired',
  incomplete_expired: 'expired',
} as const

type Body = z.infer<typeof floSubscription>['subscription']
type Part = Pick<Body, 'state' | 'trialEnd'>

const rightPart = { state: oneOf(from('status'), statuses), trialEnd: isoTime(from('trial_end')) } satisfies Shape<Part>

const mistakes = {
  path: () => [
    // @ts-expect-error a path that no field of the object has
    from('itms.data'),
    // @ts-expect-error a path that ends in the middle of nowhere
    from('items.data.0.price.unit_amonut'),
    // @ts-expect-error a path of another object
    reading<Stripe.Customer>().from('items.data'),
    // @ts-expect-error a path that no element of the list has
    each(from('items.data'), (item) => ({ id: item.from('priec.id') })),
  ],

  value: () => [
    // @ts-expect-error a status that Stripe does not have
    is('status', 'pastdue'),
    // @ts-expect-error a number where there is a text
    is('status', 1),
    // @ts-expect-error an event type that the mapping does not read
    type('customer.subscription.deleted'),
    // @ts-expect-error an event type that Stripe does not have
    on('customer.subscription.cancelled'),
    // @ts-expect-error a text where seconds are wanted
    isoTime(from('status')),
  ],

  table: () => {
    const { canceled: _canceled, ...incomplete } = statuses
    // @ts-expect-error a table without one of the statuses
    return oneOf(from('status'), incomplete)
  },

  target: () => [
    // @ts-expect-error a field of the target is left out
    { state: rightPart.state } satisfies Shape<Part>,
    // @ts-expect-error a field that the target does not have
    { ...rightPart, trialEnds: always(null) } satisfies Shape<Part>,
    // @ts-expect-error Stripe's own word where the contract has a closed list
    { ...rightPart, state: from('status') } satisfies Shape<Part>,
    // @ts-expect-error seconds where the contract wants a time
    { ...rightPart, trialEnd: from('trial_end') } satisfies Shape<Part>,
  ],

  emission: (body: Parameters<typeof defineMapping<'customer.subscription.created', typeof floSubscription>>[0]) => [
    defineMapping({
      ...body,
      // @ts-expect-error the contract's event is subscription.cancelled
      rules: [{ emit: 'subscription.canceled' }],
    }),
    defineMapping({
      ...body,
      // @ts-expect-error an event of another family
      rules: [{ emit: ['subscription.cancelled', 'invoice.paid'] }],
    }),
    defineMapping({
      ...body,
      // @ts-expect-error an ignored event without its reason
      rules: [{ ignore: 'no_change' }],
    }),
  ],
}

test.each(Object.entries(mistakes))('a mistake in the %s does not compile', (_, mistake) => {
  expect(mistake).toBeTypeOf('function')
})

test('the words keep what a value may be', () => {
  const end: Expr<string | null> = isoTime(firstOf(from('trial_end'), from('cancel_at')))
  expect(end).toMatchObject({ op: 'convert', name: 'isoTime' })
})
