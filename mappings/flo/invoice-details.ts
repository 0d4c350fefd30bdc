import { isoTime, major, minus, upperCase } from '../../src/language/converters.ts'
import { type Expr, set } from '../../src/language/mapping.ts'
import {
  all,
  always,
  any,
  called,
  event,
  firstOf,
  given,
  is,
  objectOf,
  reading,
  remembers,
} from '../../src/language/words.ts'
import { invoice, invoicePaid, invoiceStatus } from '../accessors/invoice.ts'
import { BASIL } from '../versions.ts'

// What invoice events and `renewed` both say of an invoice.

const { from, legacy } = invoice

/** As ISO 4217 writes it. */
export const currency = called('its currency', upperCase(from('currency')))

/** A deleted invoice's status is not read: it says nothing any more. */
export const state = given(
  reading<{ deleted: boolean }>().has('deleted', true),
  always('deleted'),
  given(
    any(is(event('type'), 'invoice.overdue'), all(remembers('overdue'), is(invoiceStatus, 'open'))),
    always('overdue'),
    invoiceStatus,
  ),
)

/** Major units. */
export const amountDue = major(from('amount_due'), currency)
const paidMinor = called(
  'what is paid',
  firstOf(from('amount_paid'), given(invoicePaid, from('amount_due'), given(is(from('amount_due'), set), always(0)))),
)
/** Major units; shapes without it have all or nothing paid (docs/stripe.md 4.12). */
export const amountPaid = major(paidMinor, currency)
/** Major units; what is due and not paid where the shape does not have it. */
export const amountRemaining = major(firstOf(from('amount_remaining'), minus(from('amount_due'), paidMinor)), currency)

/** Only a charge that is expanded on the invoice shows the means of payment; a mere id does not. */
const cardField = (field: string) => legacy<string>(`charge.payment_method_details.card.${field}`, BASIL)
const methodType = legacy<string>('charge.payment_method_details.type', BASIL)
const paymentMethod = given(
  is(methodType, set),
  objectOf({ type: methodType as Expr<string>, brand: cardField('brand'), last4: cardField('last4') }),
)

/** The invoiceDetails of the contract, read from Stripe's invoice. */
export const invoiceDetailsShape = {
  invoiceId: from('id'),
  invoiceNumber: from('number'),
  state,
  billingReason: from('billing_reason'),
  currency,
  amountDue,
  amountPaid,
  attemptCount: from('attempt_count'),
  nextPaymentAttempt: isoTime(from('next_payment_attempt')),
  paymentMethod,
  gateway: always('stripe'),
  gatewayEventType: event('type'),
  gatewayEventId: event('id'),
}

/** The same as one value, for what is not an invoice event. */
export const invoiceDetails = called('invoiceDetails', objectOf(invoiceDetailsShape))
