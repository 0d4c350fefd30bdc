import { type Node, type ObjectKind, unset, type When } from '../src/language/mapping.ts'
import { wordTable } from '../src/language/word-table.ts'
import { all, any, is, on } from '../src/language/words.ts'
import { invoiceStateTypes } from './accessors/invoice.ts'

// What is fetched from Stripe where a source has an API key, and nothing else: what a webhook cannot carry (docs/stripe.md 2.9).
// `{id}` in a path is the id that is read for it.

/** A list that stands in a webhook in part or not at all: the whole of it is put in its place. */
export interface FetchedList {
  what: string
  on: readonly string[]
  when: When
  id: Node
  path: string
  /** The field of the object that holds it. */
  into: string
  /** `object`: the list is the same for every event of the object; `event`: it may change with each. */
  per: 'object' | 'event'
}

const session = on('checkout.session.completed', 'checkout.session.async_payment_succeeded')
const invoice = on(...invoiceStateTypes)

export const fetchedLists: readonly FetchedList[] = [
  {
    what: 'line_items',
    on: session.types,
    // An invoice that the session made has the lines itself. What is unpaid may have been authorised: no event of the session
    // follows its capture, which tells the lines.
    when: all(
      session.has('mode', 'payment'),
      session.has('invoice', unset),
      any(is(session.from('line_items'), unset), session.has('line_items.has_more', true)),
    ),
    id: session.from('id'),
    path: '/v1/checkout/sessions/{id}/line_items',
    into: 'line_items',
    per: 'object',
  },
  {
    what: 'lines',
    on: invoice.types,
    when: invoice.has('lines.has_more', true),
    id: invoice.from('id'),
    path: '/v1/invoices/{id}/lines',
    into: 'lines',
    per: 'event',
  },
]

/** Objects that mappings read of others (`kept`) and that no event has shown: fetched when an emitted event reads them. */
export const fetchedObjectPaths: Partial<Record<ObjectKind, string>> = wordTable({
  product: '/v1/products/{id}',
})

/** A thin event of a snapshot event that Stripe names: the snapshot itself, with what has changed. */
export const snapshotEventPath = '/v1/events/{id}'
/** Else the related object as it is now, under the path that the thin event names. */
export const relatedObjectPath = /^\/v1(\/[\w-]+)+$/

/**
 * Types that exist as thin events alone (`v1.customer.subscription.past_due`, `v1.invoice.line_item_added`): what has
 * changed shows in the object, so they are read like the snapshot type of their object's kind.
 */
export const snapshotTypeOfThin: Readonly<Record<string, string>> = wordTable({
  subscription: 'customer.subscription.updated',
  invoice: 'invoice.updated',
})
