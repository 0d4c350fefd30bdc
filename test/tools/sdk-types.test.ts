import { readFileSync } from 'node:fs'
import { expect, expectTypeOf, test } from 'vitest'
import { floWebhook } from '../../sdk/src/express.ts'
import {
  type FloEvent,
  type FloEvents,
  type FlorentinEvent,
  type FlorentinEvents,
  floEventTypes,
  florentinEventTypes,
} from '../../sdk/src/index.ts'
import { flo } from '../../src/contracts/flo.ts'
import { florentin } from '../../src/contracts/florentin.ts'
import { sdkTypePages } from '../../tools/sdk-types-page.ts'
import { present } from '../support/present.ts'

test('the types are those of the schemas', () => {
  for (const [name, page] of Object.entries(sdkTypePages())) {
    const written = readFileSync(new URL(`../../sdk/src/${name}`, import.meta.url), 'utf8')
    expect(written, 'stale: run `npm run sdk:types`').toBe(page)
  }
  expect(floEventTypes).toEqual(flo.eventTypes)
  expect(florentinEventTypes).toEqual(florentin.eventTypes)
})

test('every event type says what it means', () => {
  for (const { wireSchemas } of [flo, florentin])
    for (const [type, schema] of Object.entries(wireSchemas)) expect(schema.description, type).toMatch(/^[A-Z].+\.$/)
})

// From here on the compiler is asked: `npm run types` fails when a line below means something else. Nothing of it is run.

const narrowed = {
  flo(event: FloEvent) {
    switch (event.eventType) {
      case 'subscription.renewed':
        expectTypeOf(event).toEqualTypeOf<FloEvents['subscription.renewed']>()
        expectTypeOf(event.subscription.state).toEqualTypeOf<
          'incomplete' | 'trialing' | 'active' | 'past_due' | 'unpaid' | 'paused' | 'cancelled' | 'expired' | null
        >()
        // @ts-expect-error a subscription event has no invoice
        return event.invoice
      case 'invoice.paid':
        expectTypeOf(present(event.invoice.lines[0]).type).toEqualTypeOf<'subscription' | 'item'>()
        // What stands beside an invoice is there only when it is known.
        expectTypeOf(event.subscription?.total).toEqualTypeOf<number | null | undefined>()
        // @ts-expect-error it may be missing
        return event.subscription.total
      // @ts-expect-error no event is spelled like this
      case 'subscription.canceled':
        return event
    }
    if (event.objectType === 'item') return event.item.refundedAmount
    return event.user.clientUserId
  },
  florentin(event: FlorentinEvent) {
    if (event.event === 'subscription.upgraded') {
      expectTypeOf(event).toEqualTypeOf<FlorentinEvents['subscription.upgraded']>()
      return event.data.previous.amount
    }
    if (event.event === 'invoice.created') return event.data.invoice.amount_due
    // @ts-expect-error what is left has no invoice
    return event.data.invoice
  },
  handlers: () =>
    floWebhook({
      secret: process.env.FLO_SECRET,
      on: {
        'item.refunded': (event, delivery) => {
          expectTypeOf(event).toEqualTypeOf<FloEvents['item.refunded']>()
          expectTypeOf(delivery.event).toEqualTypeOf<FloEvents['item.refunded']>()
        },
        // @ts-expect-error an invoice event has no item of its own
        'invoice.paid': ({ item }) => item.refundedAmount,
      },
      handler: (event) => expectTypeOf(event).toEqualTypeOf<FloEvent>(),
    }),
}

test('the compiler has read the above', () => {
  expect(Object.keys(narrowed)).toEqual(['flo', 'florentin', 'handlers'])
})
