import { generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { verifyFlo, verifyFlorentin, verifyStandard } from '../../sdk/src/index.ts'
import { wireExample } from '../../src/contracts/contract.ts'
import { flo } from '../../src/contracts/flo.ts'
import { florentin } from '../../src/contracts/florentin.ts'
import { AT, DELIVERY_ID, signedFlo, signedFlorentin } from '../support/signed-delivery.ts'

const secondsAfter = (seconds: number) => () => new Date(AT.getTime() + seconds * 1000)

test.each(flo.eventTypes)(
  'a Flo delivery of %s is verified in both schemes, with its id and attempt',
  async (eventType) => {
    const delivery = signedFlo({ eventType, attempt: 3 })
    const expected = { deliveryId: DELIVERY_ID, attempt: 3, event: wireExample(flo, eventType) }
    expect(await verifyFlo(delivery)).toEqual(expected)
    expect(await verifyStandard(delivery)).toEqual(expected)
  },
)

test.each(florentin.eventTypes)(
  'a Florentin delivery of %s is verified, with the id of its header',
  async (eventType) => {
    expect(await verifyFlorentin(signedFlorentin({ eventType }))).toEqual({
      deliveryId: DELIVERY_ID,
      attempt: undefined,
      event: wireExample(florentin, eventType),
    })
  },
)

test('a body may be text, bytes, a view into more bytes, or a buffer', async () => {
  const delivery = signedFlo({ body: JSON.stringify({ eventId: DELIVERY_ID, name: 'Zoë € 🌱' }) })
  const bytes = new TextEncoder().encode(delivery.body)
  const around = new Uint8Array([1, 2, ...bytes, 3]).subarray(2, -1)
  for (const body of [delivery.body, bytes, around, Buffer.from(bytes), bytes.buffer])
    expect(await verifyFlo({ ...delivery, body })).toMatchObject({ event: { name: 'Zoë € 🌱' } })
})

test('headers may be a Headers, or an object with any case and with lists', async () => {
  const delivery = signedFlo()
  const lower = Object.fromEntries(Object.entries(delivery.headers).map(([name, value]) => [name.toLowerCase(), value]))
  const lists = Object.fromEntries(Object.entries(delivery.headers).map(([name, value]) => [name, [value]]))
  for (const headers of [new Headers(delivery.headers), delivery.headers, lower, lists])
    expect(await verifyFlo({ ...delivery, headers })).toMatchObject({ deliveryId: DELIVERY_ID, attempt: 1 })
})

test('while the gateway rotates, whoever knows one of its secrets verifies', async () => {
  const secrets = [flo.newSecret(), flo.newSecret(), flo.newSecret()]
  const delivery = signedFlo({ secrets })
  for (const secret of secrets) {
    await verifyFlo({ ...delivery, secret })
    await verifyStandard({ ...delivery, secret })
  }
})

test('several secrets may be given, unset ones among them, and one that fits is enough', async () => {
  const floDelivery = signedFlo()
  const secret = [undefined, flo.newSecret(), '', floDelivery.secret]
  await verifyFlo({ ...floDelivery, secret })
  await verifyStandard({ ...floDelivery, secret })
  await verifyFlorentin(signedFlorentin({ secrets: [floDelivery.secret] }))
})

test('Florentin has room for one signature: of two attempts during a rotation each secret verifies one', async () => {
  const secrets = [flo.newSecret(), flo.newSecret()]
  await verifyFlorentin({ ...signedFlorentin({ secrets, attempt: 1 }), secret: secrets[0] })
  await verifyFlorentin({ ...signedFlorentin({ secrets, attempt: 2 }), secret: secrets[1] })
  await expect(
    verifyFlorentin({ ...signedFlorentin({ secrets, attempt: 2 }), secret: secrets[0] }),
  ).rejects.toMatchObject({
    code: 'signature_invalid',
  })
})

test('Standard Webhooks takes the secret as other libraries have it, without flo_', async () => {
  const delivery = signedFlo()
  await verifyStandard({ ...delivery, secret: delivery.secret.replace(/^flo_/, '') })
})

test('Standard Webhooks verifies v1a signatures with a public key, beside v1 ones that it cannot know', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = `whpk_${publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')}`
  const delivery = signedFlo()
  const content = `${DELIVERY_ID}.${AT.getTime() / 1000}.${delivery.body}`
  const v1a = `v1a,${sign(null, Buffer.from(content), privateKey).toString('base64')}`
  const headers = { ...delivery.headers, 'webhook-signature': `${delivery.headers['webhook-signature']} ${v1a}` }
  for (const secret of [key, `flo_${key}`, [flo.newSecret(), key]])
    expect(await verifyStandard({ ...delivery, headers, secret })).toMatchObject({ deliveryId: DELIVERY_ID })
  await verifyStandard({ ...delivery, headers })
  await expect(verifyStandard({ ...delivery, headers, body: `${delivery.body} `, secret: key })).rejects.toMatchObject({
    code: 'body_altered',
  })
  await expect(verifyStandard({ ...delivery, secret: key })).rejects.toMatchObject({ code: 'signature_invalid' })
})

test.each([300, -300, 0])('a clock that is %i seconds off is within the usual tolerance', async (seconds) => {
  const delivery = { ...signedFlo(), now: secondsAfter(seconds) }
  await verifyFlo(delivery)
  await verifyStandard(delivery)
})

test('the tolerance is what was configured', async () => {
  const delivery = { ...signedFlo(), now: secondsAfter(301) }
  await verifyFlo({ ...delivery, toleranceSeconds: 301 })
  await expect(verifyFlo(delivery)).rejects.toMatchObject({ code: 'timestamp_out_of_tolerance' })
  await expect(verifyStandard({ ...delivery, toleranceSeconds: 300 })).rejects.toMatchObject({
    code: 'timestamp_out_of_tolerance',
  })
})

test('Florentin signs no time of sending: an old event is verified, unless an age is configured', async () => {
  const delivery = signedFlorentin()
  const happened = Date.parse('2026-06-06T12:00:00.000Z')
  await verifyFlorentin({ ...delivery, now: () => new Date(happened + 86_400_000 * 365) })
  await verifyFlorentin({ ...delivery, maxAgeSeconds: 600, now: () => new Date(happened + 600_000) })
  await expect(
    verifyFlorentin({ ...delivery, maxAgeSeconds: 600, now: () => new Date(happened + 601_000) }),
  ).rejects.toMatchObject({ code: 'timestamp_out_of_tolerance' })
})

test('without a clock of its own it is the machine that says what time it is', async () => {
  const { now: _, ...fresh } = signedFlo({ at: new Date() })
  await verifyFlo(fresh)
  await verifyStandard(fresh)
  const { now: __, ...old } = signedFlo()
  await expect(verifyFlo(old)).rejects.toMatchObject({ code: 'timestamp_out_of_tolerance' })
})
