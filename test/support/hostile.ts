import type { Json } from '../../src/domain/json.ts'
import { fixture } from './fixtures.ts'
import { replaceAt } from './garbage.ts'

// Whole webhooks that nobody expects, as the bytes that are posted.

export interface HostileWebhook {
  name: string
  body: string
}

const MIB = 1024 * 1024

/** An object or list that nests `depth` levels, as text: `JSON.stringify` itself would not get so deep. */
const nestedText = (depth: number, kind: 'list' | 'object' = 'list'): string =>
  kind === 'list' ? '['.repeat(depth) + ']'.repeat(depth) : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

const HOLE = '"__hole__"'

type Place = (string | number)[]
/** The event with raw text in one place, which need not be what `JSON.stringify` would write. */
const withText = (event: Json, place: Place, text: string) =>
  JSON.stringify(replaceAt(event, place, '__hole__')).replace(HOLE, () => text)

const OBJECT = ['data', 'object']
const line = (at: number) => ({
  id: `il_${at}`,
  object: 'line_item',
  amount: 100,
  quantity: 1,
  description: `Line ${at}`,
})

/** Text put in some place of a fixture's last event. */
const TEXTS: readonly (readonly [fixtureName: string, place: Place, texts: readonly string[]])[] = [
  [
    'subscription-created-with-trial-clover',
    ['created'],
    ['1e15', '-1e15', '1.5', '1e400', '"x"', 'null', '[]', '-62135596801', '253402300800'],
  ],
  [
    'subscription-created-with-trial-clover',
    ['api_version'],
    ['5', '[]', '"\\u0000"', '"2099-99-99"', `"${'9'.repeat(10_000)}"`, '{"a":1}'],
  ],
  ['subscription-created-with-trial-clover', ['livemode'], ['"yes"', 'null', '5', '[]']],
  [
    'subscription-created-with-trial-clover',
    ['account'],
    ['5', '""', '"acct_\\u0000"', `"acct_${'1'.repeat(10_000)}"`, '[]', '"@acct/x"'],
  ],
  [
    'subscription-created-with-trial-clover',
    ['type'],
    ['"__proto__"', '"constructor"', '"customer.subscription.created\\u0000"', `"${'a.'.repeat(5_000)}"`, '""'],
  ],
  [
    'subscription-created-with-trial-clover',
    ['data'],
    ['null', '[]', '5', '"x"', '{}', '{"object":[]}', '{"object":5}', '{"object":{"object":{}}}'],
  ],
  [
    'subscription-created-with-trial-clover',
    [...OBJECT, 'id'],
    ['5', '""', '"sub_\\ud800"', `"sub_${'1'.repeat(10_240)}"`, '"__proto__"', '"@acct/1"'],
  ],
  [
    'subscription-created-with-trial-clover',
    [...OBJECT, 'object'],
    ['"__proto__"', '"constructor"', '[]', '"toString"', `"${'o'.repeat(10_000)}"`],
  ],
  [
    'subscription-created-with-trial-clover',
    [...OBJECT, 'customer'],
    ['{"id":{"id":"x"}}', '"cus_\\u0000"', `"cus_${'1'.repeat(10_240)}"`, '"__proto__"', '["cus_1"]'],
  ],
  [
    'subscription-created-with-trial-clover',
    [...OBJECT, 'metadata'],
    [
      '{"__proto__":{"client_user_id":"x"}}',
      '{"constructor":"x","toString":"y","client_user_id":"__proto__"}',
      '{"a\\u0000b":"c"}',
      '{"\\ud800":"x"}',
      nestedText(10_000, 'object'),
      '[]',
      '{"client_user_id":{"a":1}}',
      `{"client_user_id":"${'u'.repeat(10_240)}"}`,
    ],
  ],
  [
    'subscription-created-with-trial-clover',
    [...OBJECT, 'items'],
    [
      nestedText(10_000),
      '{"data":{"length":1000000000}}',
      '{"data":[[]]}',
      '{"data":[{"price":[]}]}',
      '{"has_more":"yes","data":[],"url":5}',
      '{"data":[],"has_more":true,"url":"https://evil.example/"}',
    ],
  ],
  [
    'subscription-created-with-trial-clover',
    [...OBJECT, 'items', 'data', 0, 'quantity'],
    ['1e300', '-1e300', '1e-300', '"1e100000000"', `"${'9'.repeat(100_000)}"`, '0.1'],
  ],
  [
    'subscription-created-with-trial-clover',
    [...OBJECT, 'items', 'data', 0, 'price'],
    [
      '{"currency":"usd","unit_amount":null,"unit_amount_decimal":"1e100000000"}',
      '{"currency":"usd","unit_amount":null,"unit_amount_decimal":"0.0000000000000000000000000000001"}',
      '{"currency":"xxx","unit_amount":100}',
      '{"currency":"__proto__","unit_amount":100}',
      '{"currency":"ısk","unit_amount":100}',
      `{"currency":"${'u'.repeat(10_000)}","unit_amount":100}`,
      '{"currency":"usd","unit_amount":100,"transform_quantity":[]}',
      '{"currency":"usd","unit_amount":100,"transform_quantity":{"divide_by":1e-320,"round":"up"}}',
      '{"currency":"usd","unit_amount":100,"transform_quantity":{"divide_by":-1,"round":"sideways"}}',
      '{"currency":"usd","billing_scheme":"tiered","tiers_mode":"volume","tiers":[{"up_to":"inf","unit_amount":5},null,5]}',
      '{"currency":"usd","billing_scheme":"tiered","tiers_mode":"graduated","tiers":[{"up_to":1e300,"unit_amount_decimal":"1e100000000"}]}',
      '{"currency":"usd","unit_amount":100,"recurring":{"interval":"century","interval_count":1e300}}',
      '{"currency":"usd","unit_amount":100,"recurring":{"interval":"day","interval_count":-1}}',
      '{"currency":"usd","unit_amount":100,"recurring":{"interval":"day","interval_count":"9999999999999999999999999"}}',
      '{"currency":"usd","unit_amount":100,"product":{"id":[],"name":"\\u0000"}}',
    ],
  ],
  ['subscription-created-with-trial-clover', [...OBJECT, 'current_period_end'], ['1e300', '-1e300', '"never"', '1.5']],
  [
    'subscription-created-with-trial-clover',
    [...OBJECT, 'discounts'],
    ['[null]', '[{"coupon":{"percent_off":1e300}}]', '[{"coupon":{"percent_off":"1e100000000"}}]', '{"data":5}'],
  ],
  [
    'subscription-created-with-trial-clover',
    [...OBJECT, 'discount'],
    ['{"coupon":{"percent_off":"1e100000000","duration":5}}', '{"coupon":[]}'],
  ],
  [
    'subscription-created-with-trial-clover',
    [...OBJECT, 'default_tax_rates'],
    ['[null]', '[{"percentage":"1e100000000"}]', '5'],
  ],
  [
    'subscription-quantity-changed-2020',
    ['data', 'previous_attributes'],
    [
      '[]',
      '5',
      '"x"',
      nestedText(10_000),
      '{"items":{"data":[null]}}',
      '{"__proto__":{"status":"active"}}',
      '{"status":{"a":1},"items":{"data":{"0":5}}}',
      '{"quantity":"1e100000000"}',
      '{"a\\u0000":1}',
    ],
  ],
  [
    'invoice-tax-exclusive-2022',
    [...OBJECT, 'lines'],
    [
      nestedText(10_000),
      '[]',
      '{"data":[null]}',
      '{"data":[[]]}',
      '{"data":[{"amount":"x"}],"has_more":"perhaps"}',
      '{"data":[{"amount":1e300,"price":5,"period":[]}]}',
      '{"data":[{"amount":100,"tax_amounts":[null],"discount_amounts":"x","taxes":5}]}',
      '{"data":[{"period":{"start":1e300,"end":-1e300}}]}',
    ],
  ],
  [
    'invoice-tax-exclusive-2022',
    [...OBJECT, 'total'],
    ['1e300', '-1e300', '0.5', '"1e100000000"', '[]', '{"a":1}', `${'9'.repeat(10_000)}`],
  ],
  ['invoice-tax-exclusive-2022', [...OBJECT, 'currency'], ['5', '"\\u0000"', '"XXX"', '[]', '"__proto__"', '""']],
  ['invoice-tax-exclusive-2022', [...OBJECT, 'total_tax_amounts'], ['[null]', '[{"amount":"x"}]', '5', '{"a":1}']],
  [
    'invoice-tax-exclusive-2022',
    [...OBJECT, 'status_transitions'],
    ['[]', '5', '{"paid_at":"x"}', '{"paid_at":1e300}'],
  ],
  [
    'invoice-tax-exclusive-2022',
    [...OBJECT, 'number'],
    [`"${'n'.repeat(5 * MIB - 20_000)}"`, '"\\u0000"', '"\\udfff"'],
  ],
  ['invoice-tax-exclusive-2022', [...OBJECT, 'due_date'], ['1e300', '-1e300', '253402300800', '"x"']],
  ['invoice-tax-exclusive-2022', [...OBJECT, 'customer_email'], ['5', `"${'e'.repeat(100_000)}@x.y"`, '"\\u0000@x"']],
]

/** Bodies that are none of the shapes Stripe has, or which no JSON writer would write. */
const SHAPES: readonly (readonly [name: string, body: (id: string) => string])[] = [
  [
    'keys twice',
    (id) =>
      `{"id":"${id}","object":"event","type":"invoice.paid","type":"customer.created","created":1,"created":"x","data":{"object":{"id":"a","id":5,"object":"invoice"}}}`,
  ],
  [
    'a thin event',
    (id) =>
      `{"id":"${id}","object":"v2.core.event","type":"v2.core.account.updated","created":"not a time","livemode":5,"related_object":5}`,
  ],
  [
    'a thin event about nothing',
    (id) =>
      `{"id":"${id}","object":"v2.core.event","type":"v2.core.account.updated","created":"2026-01-01T00:00:00Z","related_object":{"id":"\\u0000","type":"__proto__","url":"https://evil.example/x"}}`,
  ],
  [
    'a thin event about a path',
    (id) =>
      `{"id":"${id}","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered","created":"2026-01-01T00:00:00Z","related_object":{"id":"../../x","type":[],"url":[]}}`,
  ],
  ['no type', (id) => `{"id":"${id}","object":"event","data":{"object":{}}}`],
  ['a type that is a number', (id) => `{"id":"${id}","object":"event","type":5,"data":{"object":{}}}`],
  ['no object', (id) => `{"id":"${id}","object":"event","type":"invoice.paid","created":1}`],
  [
    'the prototype',
    (id) =>
      `{"id":"${id}","__proto__":{"type":"invoice.paid"},"object":"event","type":"invoice.paid","created":1,"data":{"__proto__":null,"object":{"__proto__":5,"object":"invoice","id":"in_proto"}}}`,
  ],
  [
    'an object of 20,000 keys',
    (id) =>
      `{"id":"${id}","object":"event","type":"customer.subscription.updated","created":1,"data":{"object":{"id":"sub_wide","object":"subscription",${Array.from({ length: 20_000 }, (_, at) => `"k${at}":${at}`).join()}}}}`,
  ],
  [
    '2,400 lines',
    (id) =>
      JSON.stringify({
        id,
        object: 'event',
        type: 'invoice.paid',
        created: 1_760_000_000,
        data: {
          object: {
            id: 'in_long',
            object: 'invoice',
            customer: 'cus_long',
            currency: 'usd',
            status: 'paid',
            total: 240_000,
            billing_reason: 'manual',
            lines: { object: 'list', has_more: false, data: Array.from({ length: 2_400 }, (_, at) => line(at)) },
          },
        },
      }),
  ],
  [
    '2,400 items',
    (id) =>
      JSON.stringify({
        id,
        object: 'event',
        type: 'customer.subscription.created',
        created: 1_760_000_000,
        data: {
          object: {
            id: 'sub_long',
            object: 'subscription',
            customer: 'cus_long',
            metadata: { client_user_id: 'user_1' },
            currency: 'usd',
            status: 'active',
            items: {
              object: 'list',
              data: Array.from({ length: 2_400 }, (_, at) => ({
                id: `si_${at}`,
                object: 'subscription_item',
                quantity: 3,
                price: {
                  id: `price_${at}`,
                  currency: 'usd',
                  unit_amount: 5,
                  recurring: { interval: 'day', interval_count: 1 + (at % 360) },
                },
              })),
            },
          },
        },
      }),
  ],
  [
    'metadata of 500 KB',
    (id) =>
      JSON.stringify({
        id,
        object: 'event',
        type: 'customer.subscription.created',
        created: 1_760_000_000,
        data: {
          object: {
            id: 'sub_meta',
            object: 'subscription',
            customer: 'cus_long',
            currency: 'usd',
            status: 'active',
            metadata: Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`key_${at}`, 'v'.repeat(90)])),
            items: { data: [] },
          },
        },
      }),
  ],
]

/** As an event of its own, about an object of its own. */
const withOwnIds = (event: Json, id: string) => ({
  ...event,
  id,
  data: { ...event.data, object: { ...event.data.object, id: `${event.data.object.id}_${id}` } },
})

/** Every hostile webhook, with ids of its own; `tag` keeps them apart from those of another call. */
export function hostileWebhooks(tag: string): HostileWebhook[] {
  let serial = 0
  const nextId = () => `evt_${tag}_${++serial}`
  return [
    ...TEXTS.flatMap(([name, place, texts]) =>
      texts.map((text) => ({
        name: `${place.join('.')} of ${name}: ${text.slice(0, 60)} (${text.length})`,
        body: withText(withOwnIds(fixture(name).at(-1), nextId()), place, text),
      })),
    ),
    ...SHAPES.map(([name, bodyOf]) => ({ name, body: bodyOf(nextId()) })),
  ]
}
