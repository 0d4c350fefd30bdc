import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { scenarios } from '../../simulator/scenarios.ts'
import { simulate } from '../../simulator/simulate.ts'
import { NEWEST } from '../../simulator/versions.ts'
import { fieldDifferences, membersOfStripe, together } from '../support/fields.ts'

// A folder with recorded events and the canonical object of each resource, which are no part of this project.
const corpus = process.env.FLO_CORPUS
const lines = (file: string) => readFileSync(`${corpus}/${file}`, 'utf8').trim().split('\n')

/** Every field of `apiVersion` in which a simulated object differs from the model of its kind. */
const differences = (apiVersion: string, models: Record<string, object>) =>
  new Set(
    scenarios
      .flatMap((scenario) => simulate(scenario, { apiVersion }))
      .flatMap(({ data: { object } }) =>
        models[object.object] ? fieldDifferences(object, models[object.object], object.object) : [],
      ),
  )
const unjustified = (found: Set<string>, justified: readonly RegExp[]) =>
  [...found].filter((difference) => !justified.some((pattern) => pattern.test(difference))).sort()

// What every version has in life, whatever its model says.
const JUSTIFIED = [
  // A bank debit, where the models' charges are paid by card.
  /^\+.*charge.*payment_method_details\.sepa_debit$/,
  /^-.*charge.*payment_method_details\.card$/,
  /^-invoice\.id$/, // A preview (invoice.upcoming) has none.
  /^-subscription\.(items\.data\[\]\.)?quantity$/, // Metered.
  /refund.*\.failure_(balance_transaction|reason)$/, // Stands on failed refunds alone.
  // Additive, shown where they hold something.
  /^\+checkout\.session\.invoice$/,
  /^\+subscription\.items\.data\[\]\.(billed_until|current_trial)$/,
]
// Recordings of webhooks show these; the canonical objects, made for mocks, leave them out or in.
const MOCKS = [
  /^\+.*\.total_count$/,
  /^\+subscription\.(plan|quantity)$/,
  /^\+(subscription\.items|invoice\.lines)\.data\[\]\.plan$/,
  /^\+.*recurring\.trial_period_days$/,
  /^\+subscription\.billing_mode\.updated_at$/,
  /^\+invoice\.lines\.data\[\]\.subscription_item$/, // On a subscription's line, in place of
  /^-invoice\.lines\.data\[\]\.invoice_item$/,
  /^-invoice\.subscription$/, // Removed in basil: in none of its recordings.
  /^-charge\.refunds$/, // Not embedded since 2022-11-15.
  /^\+(invoice\.lines\.data\[\]|invoiceitem)\.pricing\.price_details$/,
  /^\+invoiceitem\.parent\.subscription_details\.subscription_item$/,
  /^\+invoice_payment\.payment\.payment_intent$/,
  /^\+payment_intent\.last_payment_error\./,
  /^\+charge\.outcome\.risk_(level|score)$/,
]
// Older than the canonical objects: what each recording has beyond, or lacks of, the shape that the simulator means.
const RECORDED = [
  {
    apiVersion: '2014-09-08',
    by: { apiVersion: '2014-09-08', source: 'php-stripe-webhook-tester' },
    justified: [
      /^\+.*\.(payment_intent|test_clock|due_date|cancel_at|pause_collection|schedule)$/, // Additive, shown in use.
      /^\+subscription\.items$/, // Several items.
      /^\+invoice\.lines\.has_more$/,
      /^-charge\.fee$/,
    ],
  },
  {
    apiVersion: '2018-02-28',
    by: { apiVersion: '2018-05-21', source: 'php-stripe-webhook-tester' },
    justified: [
      /^\+.*\.(payment_intent|test_clock|cancel_at|pause_collection|schedule)$/,
      /^\+invoice\.lines\.total_count$/,
      /^-invoice\.lines\.data\[\]\.subscription_item$/, // An invoice item has none.
      // Since 2018-05-21, or put there by the tool that made the recording.
      /^-charge\.(application|fee|on_behalf_of|outcome|review|source\.tokenization_method|transfer_group)$/,
      /^-customer\.invoice_prefix$/,
      /^-.*plan\.active$/,
    ],
  },
  {
    apiVersion: '2020-08-27',
    by: { apiVersion: '2020-08-27', source: 'stripe-ruby-mock' },
    justified: [
      /^-invoice\.lines\.data\[\]\.(invoice_item|subscription_item)$/, // One or the other.
      /^-invoiceitem\.subscription_item$/,
      /^-payment_intent\.(last_payment_error\..*|payment_method_options\.card)$/,
    ],
  },
]

describe.skipIf(!corpus)('against shapes that Stripe has published or sent (FLO_CORPUS)', () => {
  const shapes = () => JSON.parse(lines('stripe-shapes.json').join('\n')).versions
  const canonical = corpus ? Object.keys(shapes()) : []

  test.each(canonical)('objects have the fields of the canonical ones of %s', (apiVersion) => {
    const found = differences(apiVersion, shapes()[apiVersion])
    expect(unjustified(found, [...JUSTIFIED, ...MOCKS])).toEqual([])
  })

  test.each(RECORDED)('objects have the fields that were recorded in $apiVersion', ({ apiVersion, by, justified }) => {
    const models: Record<string, object> = {}
    for (const { source, apiVersion: recorded, event } of lines('stripe-events.jsonl').map((line) => JSON.parse(line)))
      if (recorded === by.apiVersion && source.endsWith(by.source) && event.data.object.object)
        models[event.data.object.object] = together(models[event.data.object.object] ?? {}, event.data.object)
    expect(unjustified(differences(apiVersion, models), [...JUSTIFIED, ...justified])).toEqual([])
  })
})

const TYPES = {
  customer: ['Customers', 'Customer'],
  product: ['Products', 'Product'],
  price: ['Prices', 'Price'],
  plan: ['Plans', 'Plan'],
  subscription: ['Subscriptions', 'Subscription'],
  invoice: ['Invoices', 'Invoice'],
  invoiceitem: ['InvoiceItems', 'InvoiceItem'],
  invoice_payment: ['InvoicePayments', 'InvoicePayment'],
  payment_intent: ['PaymentIntents', 'PaymentIntent'],
  charge: ['Charges', 'Charge'],
  refund: ['Refunds', 'Refund'],
  credit_note: ['CreditNotes', 'CreditNote'],
  'checkout.session': ['Checkout/Sessions', 'Session'],
  subscription_schedule: ['SubscriptionSchedules', 'SubscriptionSchedule'],
  'billing.alert_triggered': ['Billing/AlertTriggereds', 'AlertTriggered'],
} as const

test.each(Object.entries(TYPES))(
  'in the newest version a %s has the members of Stripe’s own type',
  (kind, [file, name]) => {
    const members = membersOfStripe(file, name)
    const objects = scenarios
      .flatMap((scenario) => simulate(scenario, { apiVersion: NEWEST }))
      .map(({ data }) => data.object)
      .filter(({ object }) => object === kind)
    expect(objects.length).toBeGreaterThan(0)
    // A subscription's own plan and quantity are sent, though not typed; a preview has no id.
    const untyped = kind === 'subscription' ? ['plan', 'quantity'] : []
    const required = [...members].filter(([, { optional }]) => !optional).map(([member]) => member)
    const unknown = objects.flatMap((object) => Object.keys(object).filter((member) => !members.has(member)))
    const missing = objects.flatMap((object) => required.filter((member) => !(member in object)))
    expect([...new Set(unknown)].filter((member) => !untyped.includes(member))).toEqual([])
    expect([...new Set(missing)].filter((member) => kind !== 'invoice' || member !== 'id')).toEqual([])
  },
)
