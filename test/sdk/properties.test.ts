import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { expect, test } from 'vitest'
import { verifyFlo, verifyFlorentin, verifyStandard } from '../../sdk/src/index.ts'
import { wireExample } from '../../src/contracts/contract.ts'
import { flo } from '../../src/contracts/flo.ts'
import { florentin } from '../../src/contracts/florentin.ts'
import { present } from '../support/present.ts'
import { signedFlo, signedFlorentin } from '../support/signed-delivery.ts'

const text = fc.string({ unit: 'binary', maxLength: 40 })
const secret = fc
  .uint8Array({ minLength: 24, maxLength: 64 })
  .map((bytes) => `flo_whsec_${Buffer.from(bytes).toString('base64')}`)
const at = fc.date({ min: new Date(0), max: new Date('2200-01-01T00:00:00Z'), noInvalidDate: true })

/** Anything that the gateway may sign, with so many live secrets at most; the receiver holds one of them. */
const floSigned = (maxLength: number) =>
  fc
    .record({
      eventType: fc.constantFrom(...flo.eventTypes),
      name: text,
      secrets: fc.uniqueArray(secret, { minLength: 1, maxLength }),
      holds: fc.nat(),
      at,
    })
    .map(({ name, holds, ...signing }) => ({
      ...signedFlo({ ...signing, body: JSON.stringify({ ...wireExample(flo, signing.eventType), name }) }),
      secret: present(signing.secrets[holds % signing.secrets.length]),
    }))
const floDelivery = floSigned(5)
const florentinDelivery = fc
  .record({ eventType: fc.constantFrom(...florentin.eventTypes), name: text, secrets: fc.tuple(secret) })
  .map(({ name, ...signing }) =>
    signedFlorentin({ ...signing, body: JSON.stringify({ ...wireExample(florentin, signing.eventType), name }) }),
  )

const schemes = [
  ['verifyFlo', verifyFlo, floDelivery, floSigned(1), 'Flo-Signature'],
  ['verifyStandard', verifyStandard, floDelivery, floSigned(1), 'webhook-signature'],
  ['verifyFlorentin', verifyFlorentin, florentinDelivery, florentinDelivery, 'X-Florentin-Signature'],
] as const

const codeOf = (verified: Promise<unknown>): Promise<string> =>
  verified.then(
    () => 'verified',
    (error) => error.code ?? error,
  )

/** The bytes with one bit turned over. */
function flipBit(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  const index = Math.floor(at / 8) % bytes.length
  copy[index] = (copy[index] ?? 0) ^ (1 << (at % 8))
  return copy
}

for (const [name, verify, delivery, signedOnce, header] of schemes) {
  test(`${name} accepts whatever the gateway signs`, async () => {
    await fc.assert(
      fc.asyncProperty(delivery, async (one) => {
        const { event } = await verify(one)
        expect(event).toEqual(JSON.parse(one.body))
      }),
    )
  })

  test(`${name} refuses a body with any bit turned over`, async () => {
    await fc.assert(
      fc.asyncProperty(delivery, fc.nat(), async (one, at) => {
        const body = flipBit(new TextEncoder().encode(one.body), at)
        // Turned over in `\u001f` it is the same text, written in another way.
        const expected = serialisedAgain(body) === one.body ? 'body_altered' : 'signature_invalid'
        expect(await codeOf(verify({ ...one, body }))).toBe(expected)
      }),
      { numRuns: 300 },
    )
  })

  test(`${name} refuses a signature with any bit turned over`, async () => {
    await fc.assert(
      fc.asyncProperty(signedOnce, fc.nat(), async (one, at) => {
        const value = Buffer.from(flipBit(Buffer.from(present(one.headers[header])), at)).toString('latin1')
        const headers = { ...one.headers, [header]: value }
        expect(await codeOf(verify({ ...one, headers }))).toMatch(/^(header_malformed|signature_invalid)$/)
      }),
      { numRuns: 300 },
    )
  })
}

function serialisedAgain(body: Uint8Array): string | undefined {
  try {
    return JSON.stringify(JSON.parse(new TextDecoder().decode(body)))
  } catch {
    return undefined
  }
}

test("Stripe's verifier and standardwebhooks agree about what is altered and what is not", async () => {
  await fc.assert(
    fc.asyncProperty(floDelivery, fc.option(fc.nat()), async (one, at) => {
      const bytes = new TextEncoder().encode(one.body)
      const body = Buffer.from(at === null ? bytes : flipBit(bytes, at))
      const headers = { ...one.headers }
      const { secret, now } = one
      const verifyWithStripe = () =>
        Stripe.webhooks.constructEvent(
          body,
          present(headers['Flo-Signature']),
          secret,
          undefined,
          undefined,
          now().getTime() / 1000,
        )
      expect((await codeOf(verifyFlo({ ...one, body }))) === 'verified').toBe(isAccepted(verifyWithStripe))
      // standardwebhooks has no clock to hand in, so its check of the time is asked for the signature alone.
      const verifyWithStandard = () => {
        const webhook = new Webhook(secret.replace(/^flo_/, ''))
        const signed = webhook.sign(present(headers['webhook-id']), now(), body)
        if (!present(headers['webhook-signature']).split(' ').includes(signed)) throw new Error('no match')
      }
      expect((await codeOf(verifyStandard({ ...one, body }))) === 'verified').toBe(isAccepted(verifyWithStandard))
    }),
  )
})

function isAccepted(verifier: () => unknown): boolean {
  try {
    verifier()
    return true
  } catch {
    return false
  }
}
