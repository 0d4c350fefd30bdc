import { floInvoice } from '../../src/contracts/flo.ts'
import { isoTime, major, metadataOf, upperCase } from '../../src/language/converters.ts'
import { each, sum } from '../../src/language/list-words.ts'
import { type Expr, unset } from '../../src/language/mapping.ts'
import {
  all,
  always,
  any,
  called,
  changed,
  computed,
  defineMapping,
  differsFromLast,
  event,
  firstOf,
  given,
  is,
  not,
  occasion,
  on,
  priorKnown,
  remembers,
  uuidOf,
  was,
  without,
} from '../../src/language/words.ts'
import { waitForPlan } from '../accessors/billed-plan.ts'
import { invoiceCheckout } from '../accessors/facts.ts'
import {
  invoiceEventTypes,
  invoiceOwing,
  invoicePaid,
  invoiceSubscription,
  linePriceId,
  lineProductId,
  lineProration,
  lineQuantity,
  lines,
  lineType,
  waitForSubscription,
} from '../accessors/invoice.ts'
import { invoiceUser } from '../accessors/user.ts'
import { BASIL, STATUS } from '../versions.ts'
import { envelope } from './envelope.ts'
import { amountDue, amountPaid, amountRemaining, currency, invoiceDetailsShape, state } from './invoice-details.ts'
import { relatedItem, relatedSubscription } from './item.ts'

const invoice = on(...invoiceEventTypes)
const { from, legacy, type } = invoice

/** A tax list that is there, even empty, says how much tax there is; a shape without one does not. */
const tax = firstOf(
  legacy<number>('tax', BASIL),
  sum(from('total_taxes'), (one) => one.from('amount')),
  sum(legacy<{ amount: number }[]>('total_tax_amounts', BASIL), (one) => one.from('amount')),
)
const discount = firstOf(
  sum(from('total_discount_amounts'), (one) => one.from('amount')),
  given(all(is(from('total_discount_amounts'), unset), is(legacy<object>('discount', BASIL), unset)), always(0)),
)

const subscriptionId = invoiceSubscription

/** What lies so close together has happened by the time the first of its events is sent, and rendered. */
const MOMENT_SECONDS = 2
/** Stripe renders objects when it sends their events: what comes with a payment shows the invoice as paid. */
const withItsPayment = called(
  'in the moment of its payment',
  all(
    is(
      computed(
        'at most two seconds later',
        (told, paid) => told !== null && paid !== null && told >= paid && told - paid <= MOMENT_SECONDS,
        event('created') as Expr<number>,
        from('status_transitions.paid_at'),
      ),
      true,
    ),
    not(remembers('paid')),
  ),
)

/** The invoice object of the contract, read from Stripe's invoice. */
const invoiceShape = {
  uuid: uuidOf('invoice', from('id')),
  id: from('id'),
  number: from('number'),
  state,
  currency,
  subtotal: major(from('subtotal'), currency),
  discount: major(discount, currency),
  tax: major(tax, currency),
  total: major(from('total'), currency),
  amountDue,
  amountPaid,
  amountRemaining,
  createdAt: isoTime(firstOf(from('created'), legacy<number>('date', STATUS))),
  dueDate: isoTime(from('due_date')),
  paidAt: isoTime(from('status_transitions.paid_at')),
  periodStart: isoTime(from('period_start')),
  periodEnd: isoTime(from('period_end')),
  hostedInvoiceUrl: from('hosted_invoice_url'),
  pdfUrl: from('invoice_pdf'),
  lines: each(lines, (line) => ({
    id: line.from('id'),
    type: lineType(line),
    productId: lineProductId(line),
    priceId: linePriceId(line),
    description: line.from('description'),
    quantity: lineQuantity(line),
    currency: upperCase(line.from('currency')),
    amount: major(line.from('amount'), line.from('currency')),
    periodStart: isoTime(line.from('period.start')),
    periodEnd: isoTime(line.from('period.end')),
    proration: lineProration(line),
  })),
  metadata: metadataOf(from('metadata')),
  invoiceDetails: invoiceDetailsShape,
}
const news = {
  ...without(invoiceShape, 'invoiceDetails'),
  invoiceDetails: without(invoiceDetailsShape, 'gatewayEventType', 'gatewayEventId'),
}

// What two event types of one moment show alike, whatever is learnt in between.
const sight = without(news, 'uuid')

export default defineMapping({
  name: 'flo/invoice',
  on: invoice,
  to: floInvoice,
  user: invoiceUser,
  total: [state],
  waitFor: [waitForSubscription, waitForPlan],

  rules: [
    {
      ignore: 'not_an_invoice_yet',
      because: 'A preview without an id: the invoice itself follows when it is created.',
      when: type('invoice.upcoming'),
    },
    {
      ignore: 'paid_speaks',
      because: 'The same payment arrives as invoice.paid: enable invoice.paid in Stripe if it does not arrive.',
      when: type('invoice.payment_succeeded'),
    },
    { emit: 'invoice.created', when: type('invoice.created'), key: [from('id')] },
    { emit: 'invoice.deleted', when: type('invoice.deleted'), key: [from('id')] },
    { emit: 'invoice.paid', when: type('invoice.paid'), key: [from('id')], remember: 'paid' },
    {
      ignore: 'not_overdue',
      because: 'The due date has come, and nothing is left to pay.',
      when: all(type('invoice.overdue'), called('made by our own timer', is(event('id'), unset)), not(invoiceOwing)),
    },
    { emit: 'invoice.overdue', when: type('invoice.overdue'), key: [from('id')], remember: 'overdue' },
    {
      ignore: 'no_change',
      because: 'Stripe sent a mail or a reminder: the invoice is as it was.',
      when: type('invoice.sent', 'invoice.will_be_due'),
    },
    {
      ignore: 'paid_speaks',
      because: 'The only change is the payment: invoice.paid reports it.',
      when: all(
        invoicePaid,
        not(type('invoice.overpaid')),
        any(not(was(invoicePaid)), not(type('invoice.updated')), withItsPayment),
      ),
    },
    // The type itself states the change, also of an invoice never seen.
    {
      emit: 'invoice.updated',
      when: all(
        type(
          'invoice.finalized',
          'invoice.finalization_failed',
          'invoice.payment_failed',
          'invoice.payment_action_required',
          'invoice.payment_attempt_required',
          'invoice.voided',
          'invoice.marked_uncollectible',
          'invoice.overpaid',
        ),
        differsFromLast(news),
      ),
      key: [from('id'), occasion('changed', sight)],
      overtakable: true,
    },
    {
      ignore: 'no_known_change',
      because: 'The invoice was not known before and the event does not say what changed.',
      when: all(type('invoice.updated'), not(priorKnown)),
    },
    {
      emit: 'invoice.updated',
      // What an event of the same second has shown already is no news.
      when: all(type('invoice.updated'), changed(news), differsFromLast(news)),
      key: [from('id'), occasion('changed', sight)],
      overtakable: true,
    },
    { ignore: 'no_visible_change', because: 'Nothing that the contract shows differs from what was last sent.' },
  ],

  body: {
    ...envelope('invoice'),
    user: invoiceUser,
    invoice: invoiceShape,
    // Beside the invoice only when they resolve to a Flo record; never built from its lines.
    subscription: relatedSubscription(subscriptionId),
    item: relatedItem(invoiceCheckout),
  },
  news,
})
