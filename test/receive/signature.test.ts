import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Refusal } from '../../src/errors.ts'
import { verifySignature } from '../../src/receive/signature.ts'
import { SECRET, stripeSignature } from '../support/receiving.ts'

const body = Buffer.from('{"id":"evt_1","name":"Zoë"}')
const now = new Date('2026-11-22T12:00:00Z')
const seconds = now.getTime() / 1000
const mac = (secret: string, time: number | string = seconds, bytes = body) =>
  createHmac('sha256', secret).update(`${time}.`).update(bytes).digest('hex')

/** The code of the refusal, or 'accepted'. */
function outcome(header: string | undefined, secrets = [SECRET], bytes = body): string {
  try {
    verifySignature(bytes, header, secrets, now)
    return 'accepted'
  } catch (error) {
    return (error as Refusal).code
  }
}

describe('a Stripe-Signature header', () => {
  test('is accepted as Stripe’s own library writes it', () => {
    expect(outcome(stripeSignature(body, SECRET, now))).toBe('accepted')
  })

  test('is refused when one byte of the body differs', () => {
    const altered = Buffer.from(body)
    altered.writeUInt8(altered.readUInt8(altered.length - 2) ^ 1, altered.length - 2)
    expect(outcome(stripeSignature(body, SECRET, now), [SECRET], altered)).toBe('signature_invalid')
  })

  test('is judged over the raw bytes, also where they are not UTF-8', () => {
    const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x7d])
    expect(outcome(`t=${seconds},v1=${mac(SECRET, seconds, bytes)}`, [SECRET], bytes)).toBe('accepted')
    const replaced = Buffer.from(bytes.toString('utf8'))
    expect(outcome(`t=${seconds},v1=${mac(SECRET, seconds, replaced)}`, [SECRET], bytes)).toBe('signature_invalid')
  })

  test('may match any of several live secrets, the whole string being the key', () => {
    const secrets = ['whsec_new', 'whsec_ä !~', SECRET]
    for (const secret of secrets) expect(outcome(`t=${seconds},v1=${mac(secret)}`, secrets)).toBe('accepted')
    expect(outcome(`t=${seconds},v1=${mac('new')}`, secrets)).toBe('signature_invalid')
  })

  test('may carry several v1, one per secret that Stripe is rolling', () => {
    expect(outcome(`t=${seconds},v1=${mac('whsec_old')},v1=${mac(SECRET)}`)).toBe('accepted')
    expect(outcome(`t=${seconds}, v1=${mac(SECRET)}, v0=${mac('x')}`)).toBe('accepted')
  })

  test('proves nothing by v0 alone', () => {
    expect(outcome(`t=${seconds},v0=${mac(SECRET)}`)).toBe('signature_malformed')
  })

  test.each([-300, 300])('is accepted %i seconds away', (away) => {
    const time = seconds + away
    expect(outcome(`t=${time},v1=${mac(SECRET, time)}`)).toBe('accepted')
  })

  test.each([-301, 301])('is refused %i seconds away', (away) => {
    const time = seconds + away
    expect(outcome(`t=${time},v1=${mac(SECRET, time)}`)).toBe('timestamp_out_of_tolerance')
  })

  test('is refused as invalid before it is refused as late', () => {
    expect(outcome(`t=${seconds - 9999},v1=${mac('whsec_other', seconds - 9999)}`)).toBe('signature_invalid')
  })

  test.each([undefined, ''])('is missed when it is %o', (header) => {
    expect(outcome(header)).toBe('signature_missing')
  })

  test.each([
    'nonsense',
    `v1=${mac(SECRET)}`,
    `t=,v1=${mac(SECRET)}`,
    `t=1e9,v1=${mac(SECRET, '1e9')}`,
    `t=-5,v1=${mac(SECRET, '-5')}`,
    `t=${seconds}`,
    `t=${seconds},v1=`,
    `t=${seconds},v1=${mac(SECRET).slice(2)}`,
    `t=${seconds},v1=${'zz'.repeat(32)}`,
    ',,==,=,t',
  ])('is malformed: %s', (header) => {
    expect(outcome(header)).toBe('signature_malformed')
  })
})
