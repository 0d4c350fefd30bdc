import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../../src/errors.ts'
import { readEnvelope } from '../../src/receive/envelope.ts'
import { LANES } from '../../src/receive/lane.ts'

const SOURCE = '0193e000-0000-7000-8000-000000000001'
const now = new Date('2026-11-22T12:00:00.000Z')
const read = (value: unknown) =>
  readEnvelope(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), { id: SOURCE }, now)
const refusal = (body: string | Buffer) => {
  try {
    readEnvelope(Buffer.from(body), { id: SOURCE }, now)
    return undefined
  } catch (error) {
    return error instanceof Refusal ? error.code : error
  }
}

describe('the envelope', () => {
  test('of a snapshot event', () => {
    const event = { id: 'evt_1', type: 'invoice.paid', api_version: '2023-10-16; risk_in_requirements_beta=v1' }
    expect(read({ ...event, created: 1700000000, livemode: true, account: 'acct_1' })).toMatchObject({
      eventId: 'evt_1',
      type: 'invoice.paid',
      apiVersion: '2023-10-16; risk_in_requirements_beta=v1',
      account: 'acct_1',
      livemode: true,
      createdAt: new Date('2023-11-14T22:13:20Z'),
    })
  })

  test('of a thin event', () => {
    const thin = {
      id: 'evt_65R',
      object: 'v2.core.event',
      type: 'v1.customer.subscription.updated',
      created: '2026-10-01T08:00:00.123Z',
      context: 'acct_2',
      related_object: { id: 'sub_1', type: 'subscription', url: '/v1/subscriptions/sub_1' },
    }
    expect(read(thin)).toMatchObject({
      apiVersion: null,
      account: 'acct_2',
      livemode: false,
      createdAt: new Date('2026-10-01T08:00:00.123Z'),
    })
    expect(read(thin).lane).toBe(read({ ...thin, id: 'evt_66R' }).lane)
  })

  test.each([undefined, null, {}, 'tomorrow', 1e300, -1e18, [1]])('takes the receipt for created: %o', (created) => {
    expect(read({ id: 'evt_1', type: 'x', created }).createdAt).toEqual(now)
  })

  test.each([0, 946684800, 1325376000])('believes any year: created %i', (created) => {
    expect(read({ id: 'evt_1', type: 'x', created }).createdAt).toEqual(new Date(created * 1000))
  })

  test('knows the dashboard’s test events, all with one id, by their content', () => {
    const body = '{"id":"evt_00000000000000","type":"x"}'
    expect(read(body).eventId).toBe(`sha256:${createHash('sha256').update(body).digest('hex')}`)
    expect(read(`${body} `).eventId).not.toBe(read(body).eventId)
  })

  test.each(['', '{', '{"id":', 'evt', '{"id":"evt_1","type":"x"}}', '\uFEFF{}'])(
    'refuses what is no JSON: %s',
    (body) => {
      expect(refusal(body)).toBe('malformed_json')
    },
  )

  test('refuses what is not UTF-8', () => {
    expect(refusal(Buffer.from('7b226964223a2265ff227d', 'hex'))).toBe('malformed_json')
  })

  test.each(['null', '1', '"x"', '[]', '{}', '{"id":"evt_1"}', '{"id":"","type":"x"}', '{"id":1,"type":"x"}'])(
    'refuses what is no event: %s',
    (body) => {
      expect(refusal(body)).toBe('event_malformed')
    },
  )

  test('reads JSON of any depth', () => {
    const depth = 200_000
    const body = `{"id":"evt_1","type":"x","data":{"object":${'[{"a":'.repeat(depth)}1${'}]'.repeat(depth)}}}`
    expect(read(body).type).toBe('x')
  })

  test('of any JSON is read or refused by code, never anything else', () => {
    const event = fc.record({ id: fc.string(), type: fc.string(), data: fc.jsonValue(), account: fc.jsonValue() })
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), event), (value) => {
        const told = refusal(JSON.stringify(value))
        expect([undefined, 'event_malformed']).toContain(told)
      }),
    )
  })
})

describe('the lane', () => {
  const lane = (object: unknown, rest = {}) => read({ id: 'evt_1', type: 'x', data: { object }, ...rest }).lane

  test('is one for all that concerns a customer', () => {
    for (const id of ['cus_1', 'cus_2', 'cus_3', 'acct_4', 'cus_5']) {
      const own = lane({ object: 'customer', id })
      expect(lane({ object: 'subscription', id: 'sub_1', customer: id })).toBe(own)
      expect(lane({ object: 'invoice', id: 'in_1', customer: { id, object: 'customer' } })).toBe(own)
      expect(lane({ object: 'invoice', id: 'in_2', customer: null, customer_account: id })).toBe(own)
    }
  })

  test('is the object’s without a customer, else the event’s', () => {
    expect(lane({ id: 'prod_1' })).toBe(lane({ id: 'prod_1', customer: null }, { id: 'evt_9' }))
    for (const object of [null, 'text', 5, [], { object: 'invoice' }]) expect(lane(object)).toBe(lane(undefined))
  })

  test('spreads customers over all lanes', () => {
    const lanes = Array.from({ length: 200 }, (_, n) => lane({ customer: `cus_${n}` }))
    expect(new Set(lanes).size).toBe(LANES)
  })
})
