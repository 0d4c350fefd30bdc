import { connect as dial } from 'node:net'
import { describe, expect, test } from 'vitest'
import { openPool } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import { freshDatabase } from '../support/database.ts'
import { keys, newSource, receiving, SECRET, stripeEvent, stripeSignature } from '../support/receiving.ts'
import { signed } from '../support/stripe.ts'

const { db } = await freshDatabase()
const { url, post, stored } = await receiving(db)
const { clientId, sourceId } = await newSource(db)

const rows = async (eventId: string) =>
  (
    await db.query(
      `select e.*, b.body from source_events e
         join source_event_bodies b on b.client_id = e.client_id and b.source_event_id = e.id
        where e.event_id = $1`,
      [eventId],
    )
  ).rows

describe('POST /webhooks/stripe/:sourceId', () => {
  test('stores an event with the bytes as signed, and answers when it is committed', async () => {
    const event = stripeEvent({
      id: 'evt_kept',
      account: 'acct_7',
      livemode: true,
      type: 'invoice.paid',
      name: 'Zo\u00eb',
    })
    const body = ` ${event}\n\n`
    const answer = await post(sourceId, body)
    expect(answer).toMatchObject({ status: 200, body: { received: true, duplicate: false } })
    const [row, ...others] = await rows('evt_kept')
    expect(others).toEqual([])
    expect(row).toMatchObject({
      client_id: clientId,
      source_id: sourceId,
      account: 'acct_7',
      livemode: true,
      type: 'invoice.paid',
      api_version: '2026-10-28.endive',
      created_at: new Date(1_780_000_000_000),
      state: 'received',
    })
    expect(row.body.toString()).toBe(body)
    expect(row.due_at).not.toBeNull()
    expect(stored).toContain(clientId)
  })

  test('answers a repeated event as a duplicate and wakes nobody for it', async () => {
    const body = stripeEvent({ id: 'evt_twice' })
    await post(sourceId, body)
    const wakes = stored.length
    expect(await post(sourceId, body)).toMatchObject({ status: 200, body: { received: true, duplicate: true } })
    expect(stored).toHaveLength(wakes)
    expect(await rows('evt_twice')).toHaveLength(1)
  })

  test('distinguishes events by source, account and mode', async () => {
    const other = await newSource(db)
    const answers = [
      await post(sourceId, stripeEvent({ id: 'evt_same' })),
      await post(sourceId, stripeEvent({ id: 'evt_same', livemode: true })),
      await post(sourceId, stripeEvent({ id: 'evt_same', account: 'acct_1' })),
      await post(other.sourceId, stripeEvent({ id: 'evt_same' })),
    ]
    expect(answers.map(({ body }) => body.duplicate)).toEqual([false, false, false, false])
  })

  test.each([
    ['an unknown type', { type: 'never.heard.of' }],
    ['a null api_version', { api_version: null }],
    ['no created', { created: undefined }],
    ['no livemode', { livemode: undefined }],
    ['a data.object that is a text', { data: { object: 'text' } }],
    ['no data', { data: undefined }],
    [
      'a thin event',
      { object: 'v2.core.event', created: '2026-10-01T08:00:00Z', data: undefined, related_object: null },
    ],
  ])('accepts %s', async (_, fields) => {
    expect((await post(sourceId, stripeEvent(fields))).status).toBe(200)
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1', ''])(
    'ignores the content type: %s',
    async (type) => {
      expect((await post(sourceId, stripeEvent(), { 'content-type': type })).status).toBe(200)
    },
  )

  test('distinguishes test events of the dashboard, which all have one id', async () => {
    const event = (amount: number) => stripeEvent({ id: 'evt_00000000000000', data: { object: { amount } } })
    const answers = [await post(sourceId, event(1)), await post(sourceId, event(2)), await post(sourceId, event(1))]
    expect(answers.map(({ body }) => body.duplicate)).toEqual([false, false, true])
  })

  test.each([
    ['no signature', { 'stripe-signature': '' }, 400, 'signature_missing'],
    ['a malformed signature', { 'stripe-signature': 'v0=1' }, 400, 'signature_malformed'],
    ['another secret', { 'stripe-signature': stripeSignature(' ', 'whsec_other') }, 400, 'signature_invalid'],
  ])('refuses %s by code and stores nothing', async (_, headers, status, code) => {
    const answer = await post(sourceId, stripeEvent({ id: 'evt_refused' }), headers)
    expect(answer).toMatchObject({ status, body: { error: { code, details: [] } } })
    expect(answer.body.error?.requestId).toBe(answer.requestId)
    expect(await rows('evt_refused')).toEqual([])
  })

  test('refuses a signature from before or after its time', async () => {
    for (const seconds of [-301, 302]) {
      const body = stripeEvent()
      const at = new Date(Date.now() + seconds * 1000)
      const answer = await post(sourceId, body, { 'stripe-signature': stripeSignature(body, SECRET, at) })
      expect(answer).toMatchObject({ status: 400, body: { error: { code: 'timestamp_out_of_tolerance' } } })
    }
  })

  test.each([
    ['malformed_json', '{"id": '],
    ['malformed_json', Buffer.from('7b226964223a2265ff227d', 'hex')],
    ['event_malformed', '{"object":"event"}'],
    ['malformed_json', ''],
  ])('refuses a signed body that is no event: %s', async (code, body) => {
    const answer = await post(sourceId, body, { 'stripe-signature': signed(body, SECRET) })
    expect([answer.status, answer.body.error?.code]).toEqual([400, code])
  })

  test.each([newId(), 'nonsense', '%00'])('answers 404 for the source id %s', async (id) => {
    expect(await post(id, stripeEvent())).toMatchObject({ status: 404, body: { error: { code: 'source_not_found' } } })
  })

  test('takes 1 MiB and not a byte more, with or without a content-length', async () => {
    const padded = (length: number) => {
      const event = stripeEvent()
      return event + ' '.repeat(length - event.length)
    }
    expect((await post(sourceId, padded(1024 * 1024))).status).toBe(200)
    const answer = await post(sourceId, padded(1024 * 1024 + 1))
    expect(answer).toMatchObject({ status: 413, body: { error: { code: 'too_large' } } })
    const chunked = await fetch(`${url}/webhooks/stripe/${sourceId}`, {
      method: 'POST',
      body: new Blob([padded(3 * 1024 * 1024)]).stream(),
      duplex: 'half',
    } as RequestInit)
    expect(chunked.status).toBe(413)
  })

  test('survives a sender that hangs up in the middle of its body', async () => {
    const socket = dial(Number(new URL(url).port), '127.0.0.1')
    const head = `POST /webhooks/stripe/${sourceId} HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n`
    await new Promise<void>((resolve) => socket.write(`${head}{"id"`, () => resolve()))
    socket.destroy()
    expect((await post(sourceId, stripeEvent())).status).toBe(200)
  })

  test('accepts every live secret of a source, and no longer one that was removed', async () => {
    const rolling = await newSource(db, ['whsec_new', 'whsec_old'])
    const send = (secret: string) => {
      const body = stripeEvent()
      return post(rolling.sourceId, body, { 'stripe-signature': stripeSignature(body, secret) })
    }
    expect((await send('whsec_new')).status).toBe(200)
    expect((await send('whsec_old')).status).toBe(200)
    await db.query('update sources set signing_secrets = $2 where id = $1', [
      rolling.sourceId,
      [keys.encrypt('whsec_new')],
    ])
    expect((await send('whsec_old')).status).toBe(400)
    expect((await send('whsec_new')).status).toBe(200)
  })

  test('a source whose secret cannot be decrypted does not affect others', async () => {
    const broken = await newSource(db)
    await db.query(`update sources set signing_secrets = '{gone:AAAA}' where id = $1`, [broken.sourceId])
    const answers = await Promise.all([post(broken.sourceId, stripeEvent()), post(sourceId, stripeEvent())])
    expect(answers.map(({ status }) => status)).toEqual([500, 200])
    expect(answers[0]?.body.error?.message).toBeDefined()
    expect(answers[0]?.body.error?.message).not.toMatch(/gone/)
  })

  test('answers 503 while the database is down, so that Stripe sends the event again', async () => {
    const down = openPool('postgres://nobody@127.0.0.1:1/nothing')
    const room = await receiving(down)
    expect(await room.post(sourceId, stripeEvent())).toMatchObject({
      status: 503,
      body: { error: { code: 'unavailable' } },
    })
    await down.end()
  })
})
