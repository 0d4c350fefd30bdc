import { readFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { VerificationError, verifyFlo, verifyFlorentin, verifyStandard } from '../../sdk/src/index.ts'
import { flo } from '../../src/contracts/flo.ts'
import { present } from '../support/present.ts'
import { AT, signedFlo, signedFlorentin } from '../support/signed-delivery.ts'

const refusalOf = async (verified: Promise<unknown>) => {
  const error = await verified.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(VerificationError)
  const { code, message } = error as VerificationError
  return `${code}: ${message}`
}
const withoutHeader = (headers: Record<string, string>, name: string) => {
  const { [name]: _, ...rest } = headers
  return rest
}

/** Each scheme with a delivery that it accepts. */
const schemes = [
  ['verifyFlo', verifyFlo, signedFlo, 'Flo-Signature'],
  ['verifyStandard', verifyStandard, signedFlo, 'webhook-signature'],
  ['verifyFlorentin', verifyFlorentin, signedFlorentin, 'X-Florentin-Signature'],
] as const

for (const [name, verify, signed, header] of schemes) {
  test(`${name} says which header is missing`, async () => {
    const delivery = signed()
    const needed = Object.keys(delivery.headers).filter((one) =>
      one.startsWith(header.slice(0, header.indexOf('-') + 1)),
    )
    expect(needed).toContain(header)
    for (const missing of name === 'verifyFlo' ? [header] : needed.filter((one) => one !== 'X-Florentin-Event'))
      expect(await refusalOf(verify({ ...delivery, headers: withoutHeader(delivery.headers, missing) }))).toMatch(
        `header_missing: The ${missing} header is missing`,
      )
  })

  test(`${name} says that the body was parsed before`, async () => {
    const delivery = signed()
    const parsed = JSON.parse(delivery.body)
    for (const body of [parsed, String(parsed), undefined, null])
      expect(await refusalOf(verify({ ...delivery, body }))).toMatch(/^body_parsed: .*take it before express\.json\(\)/)
  })

  test(`${name} says what happened to the body on its way`, async () => {
    const delivery = signed({ body: signed().body.replace('}', ',"name":"Zoë"}') })
    const refusalOfBody = (body: string) => refusalOf(verify({ ...delivery, body }))
    const { body } = delivery
    expect(await refusalOfBody(JSON.stringify(JSON.parse(body), null, 2))).toMatch(/^body_altered: .*serialised again/)
    expect(await refusalOfBody(body.replace('ë', '\\u00eb'))).toMatch(/^body_altered: .*serialised again/)
    expect(await refusalOfBody(`${body}\n`)).toMatch(/^body_altered: .*(serialised again|white space)/)
    expect(await refusalOfBody(`\uFEFF${body}`)).toMatch(/^body_altered: .*byte order mark around it that was not sent/)
    expect(await refusalOfBody(Buffer.from(body).toString('latin1'))).toMatch(/^body_altered: .*Latin-1/)
    expect(await refusalOfBody('')).toMatch(/^signature_invalid: .*empty/)
    expect(await refusalOfBody(body.replace('ë', '\uFFFD'))).toMatch(/^signature_invalid: .*U\+FFFD/)
  })

  test(`${name} says what a body lost that was not compact JSON`, async () => {
    const refusalOfLost = async (sent: string, given: string) => {
      const delivery = signed({ body: sent })
      return refusalOf(verify({ ...delivery, body: given }))
    }
    expect(await refusalOfLost('{"a": 1}\n', '{"a": 1}')).toMatch(/^body_altered: .*lost the line break/)
    expect(await refusalOfLost('{"a": 1}\r\n', '{"a": 1}')).toMatch(/^body_altered: .*lost the line break/)
    expect(await refusalOfLost('\uFEFF{"a": 1}', '{"a": 1}')).toMatch(/^body_altered: .*lost the byte order mark/)
    expect(await refusalOfLost('{\n"a": 1}', '{\r\n"a": 1}')).toMatch(/^body_altered: .*CR LF where LF/)
    expect(await refusalOfLost('{\r\n"a": 1}', '{\n"a": 1}')).toMatch(/^body_altered: .*LF where CR LF/)
  })

  test(`${name} says what happened to the secret`, async () => {
    // With a plus sign and an equals sign, as most have.
    const secret = `flo_whsec_${Buffer.alloc(32, 0xfb).toString('base64')}`
    const delivery = signed({ secrets: [secret] })
    const refusalOfHeaders = (given: string | string[]) => refusalOf(verify({ ...delivery, secret: given }))
    expect(await refusalOfHeaders(`${secret}\n`)).toMatch(
      /^secret_malformed: The secret has white space around it; without that/,
    )
    expect(await refusalOfHeaders(`"${secret}"`)).toMatch(
      /^secret_malformed: .*quotation marks around it; without that/,
    )
    expect(await refusalOfHeaders(secret.replace('flo_whsec_', ''))).toMatch(
      /^secret_malformed: .*lacks its prefix flo_whsec_/,
    )
    if (name !== 'verifyStandard') {
      expect(await refusalOfHeaders(secret.replace('flo_', ''))).toMatch(/^secret_malformed: .*lacks the flo_/)
      expect(await refusalOfHeaders(secret.replace('=', ''))).toMatch(/^secret_malformed: .*lacks the = at its end/)
    }
    expect(await refusalOfHeaders(secret.replaceAll('+', ' '))).toMatch(
      /^secret_malformed: .*spaces where there were plus signs/,
    )
    expect(await refusalOfHeaders([flo.newSecret(), ` ${secret}`])).toMatch(
      /^secret_malformed: Secret 2 of 2 has white space/,
    )
  })

  test(`${name} says that a secret is of another kind`, async () => {
    const refusalOfSecret = (secret: string) => refusalOf(verify({ ...signed(), secret }))
    expect(await refusalOfSecret(' flo_whsec_AAAA')).toMatch(/^secret_malformed: .*white space/)
    expect(await refusalOfSecret('flo_sk_1_secret')).toMatch(/^secret_malformed: .*API key/)
    expect(await refusalOfSecret('0123456789abcdef')).toMatch(/^secret_malformed: .*does not begin with flo_whsec_/)
    const ofStripe = await refusalOfSecret('whsec_l33ts3cr3t!')
    expect(ofStripe).toMatch(
      name === 'verifyStandard' ? /^secret_malformed: .*no base64/ : /^secret_malformed: .*Stripe/,
    )
    expect(await refusalOfSecret('whpk_AAAA')).toMatch(/^secret_malformed: .*public key/)
  })

  test(`${name} says that there is no secret`, async () => {
    for (const secret of [undefined, '', [], [undefined, '']])
      expect(await refusalOf(verify({ ...signed(), secret }))).toMatch(/^secret_missing: .*environment variable/)
  })

  test(`${name} says that a secret is another endpoint's`, async () => {
    const one = await refusalOf(verify({ ...signed(), secret: flo.newSecret() }))
    expect(one).toMatch(`signature_invalid: No signature in ${header} fits this body with the secret. Either`)
    const two = await refusalOf(verify({ ...signed(), secret: [flo.newSecret(), flo.newSecret()] }))
    expect(two).toContain('with any of the 2 secrets')
  })

  test(`${name} never says the secret, nor a signature that would fit`, async () => {
    const { secret, ...delivery } = signed()
    const signature = present(/[0-9a-f]{64}|v1,(\S+)/.exec(present(delivery.headers[header])))[0]
    const headers = { ...delivery.headers, [header]: present(delivery.headers[header]).replace(/.$/, '') }
    for (const said of [
      await refusalOf(verify({ ...delivery, headers, secret })),
      await refusalOf(verify({ ...delivery, secret: `${secret} ` })),
      await refusalOf(verify({ ...delivery, secret, body: `${delivery.body} ` })),
    ]) {
      expect(said).not.toContain(secret.slice(10))
      expect(said).not.toContain(signature)
    }
  })

  test(`${name} says that something signed is no event`, async () => {
    for (const body of ['pong', '42', 'null', ''])
      expect(await refusalOf(verify(signed({ body })))).toMatch(/^body_malformed: .*no JSON object/)
  })
}

test('a clock that is off is reported with both clocks', async () => {
  const delivery = signedFlo()
  const late = new Date(AT.getTime() + 412_000)
  expect(await refusalOf(verifyFlo({ ...delivery, now: () => late }))).toBe(
    "timestamp_out_of_tolerance: The signature is right, but it was made at 2026-05-01T10:00:00.000Z by the gateway's clock and it is 2026-05-01T10:06:52.000Z by this machine's: 412 seconds later, where 300 are allowed. Set this machine's clock (NTP); if it is right, an old request was sent again.",
  )
  const early = new Date(AT.getTime() - 301_000)
  expect(await refusalOf(verifyStandard({ ...delivery, now: () => early }))).toMatch(/301 seconds earlier/)
})

test('of a wrong secret the clock is not blamed', async () => {
  const late = new Date(AT.getTime() + 1e9)
  const delivery = { ...signedFlo(), secret: flo.newSecret(), now: () => late }
  expect(await refusalOf(verifyFlo(delivery))).toMatch(/^signature_invalid/)
  expect(await refusalOf(verifyStandard(delivery))).toMatch(/^signature_invalid/)
})

test.each([
  ['v1=aa', 'has no t'],
  ['t=,v1=aa', 'has no t'],
  ['t=1777629600', 'has no v1'],
  ['t=1777629600,v0=aa', 'has no v1'],
  ['t=soon,v1=aa', 'has no number as t'],
  ['t=1,v1=aa, t=2,v1=bb', 'has several t'],
  ['garbage', 'has no v1'],
])('Flo-Signature: %s %s', async (value, wrong) => {
  const delivery = signedFlo()
  const headers = { ...delivery.headers, 'Flo-Signature': value }
  expect(await refusalOf(verifyFlo({ ...delivery, headers }))).toMatch(
    `header_malformed: The Flo-Signature header ${wrong};`,
  )
})

test('malformed headers of the other schemes are reported', async () => {
  const delivery = signedFlo()
  const withHeader = (name: string, value: string) => ({ ...delivery, headers: { ...delivery.headers, [name]: value } })
  expect(await refusalOf(verifyStandard(withHeader('webhook-signature', 'v2,AAAA')))).toMatch(
    /^header_malformed: The webhook-s/,
  )
  expect(await refusalOf(verifyStandard(withHeader('webhook-timestamp', 'today')))).toMatch(
    /^header_malformed: The webhook-t/,
  )
  const florentin = signedFlorentin()
  const headers = { ...florentin.headers, 'X-Florentin-Signature': 'sha1=aa' }
  expect(await refusalOf(verifyFlorentin({ ...florentin, headers }))).toMatch(
    /^header_malformed: The X-Florentin-Signature/,
  )
})

test("a Florentin timestamp that is not the body's is reported with both", async () => {
  const delivery = signedFlorentin()
  const headers = { ...delivery.headers, 'X-Florentin-Timestamp': '2026-06-06T12:00:01.000Z' }
  expect(await refusalOf(verifyFlorentin({ ...delivery, headers }))).toMatch(
    /^timestamp_mismatch: .*says 2026-06-06T12:00:01\.000Z and the body's timestamp 2026-06-06T12:00:00\.000Z/,
  )
})

test('a delivery of the other contract is recognised by its headers', async () => {
  expect(await refusalOf(verifyFlo(signedFlorentin()))).toMatch(/^header_missing: .*florentin\.v1.*verifyFlorentin/)
  expect(await refusalOf(verifyFlorentin(signedFlo()))).toMatch(/^header_missing: .*flo\.v1.*verifyFlo/)
})

test('what is signed in the right way but names no event id is no event of Flo', async () => {
  const delivery = signedFlo({ body: '{"eventType":"invoice.paid"}' })
  expect(await refusalOf(verifyFlo(delivery))).toMatch(/^body_malformed: .*eventId/)
})

test('the README lists every code, and no other', () => {
  const readSdkFile = (file: string) => readFileSync(new URL(`../../sdk/${file}`, import.meta.url), 'utf8')
  const codes = [...readSdkFile('src/verification-error.ts').matchAll(/^ {2}\| '(\w+)'$/gm)].map(([, code]) => code)
  const listed = [...readSdkFile('README.md').matchAll(/^\| `([a-z]+_[a-z_]+)` \|/gm)].map(([, code]) => code)
  expect(listed.toSorted()).toEqual(codes.toSorted())
})

// Refusing a forgery must cost little more than checking it: signatures are counted, bytes and headers bounded.
for (const [name, verify, signed, header] of schemes) {
  test(`${name} does not look into why a large body is refused`, async () => {
    const delivery = signed()
    const signing = vi.spyOn(crypto.subtle, 'sign')
    const body = `${delivery.body}${' '.repeat(5_000_000)}`
    expect(await refusalOf(verify({ ...delivery, body }))).toMatch(/^signature_invalid: .*is not looked into/)
    expect(signing).toHaveBeenCalledTimes(1)
    signing.mockRestore()
  })

  test(`${name} refuses a header that is longer than any of the gateway's, whatever is in it`, async () => {
    const delivery = signed()
    for (const value of [
      ' '.repeat(15_000),
      `v1,${'x'.repeat(15_000)}`,
      'v1,a '.repeat(3_000),
      'sha256=a,'.repeat(2_000),
    ])
      expect(await refusalOf(verify({ ...delivery, headers: { ...delivery.headers, [header]: value } }))).toMatch(
        /^header_malformed: /,
      )
  })
}

test('why a request of another time is refused is not looked into, but its time is told', async () => {
  for (const [, verify, signed] of schemes.slice(0, 2)) {
    const delivery = signed()
    const body = ` ${delivery.body}`
    const now = () => new Date(delivery.now().getTime() + 3_600_000)
    const signing = vi.spyOn(crypto.subtle, 'sign')
    expect(await refusalOf(verify({ ...delivery, body, now }))).toMatch(/^signature_invalid: .*of another time/)
    expect(signing).toHaveBeenCalledTimes(1)
    signing.mockRestore()
  }
})

test('verifyStandard verifies no more signatures than a gateway sends', async () => {
  const delivery = signedFlo()
  const signature = present(delivery.headers['webhook-signature'])
  const some = Array.from({ length: 20 }, () => 'v1a,AAAA')
  const withSignatures = (all: string[]) =>
    verifyStandard({ ...delivery, headers: { ...delivery.headers, 'webhook-signature': all.join(' ') } })
  expect(await withSignatures([...some.slice(1), signature])).toMatchObject({ deliveryId: expect.any(String) })
  expect(await refusalOf(withSignatures([...some, signature]))).toMatch(/^header_malformed: .*at most 20/)
})
