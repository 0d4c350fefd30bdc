import { beforeAll, describe, expect, test } from 'vitest'
import { ledgerText, readLedgerReport } from '../../src/cli/ledger-report.ts'
import type { Json } from '../../src/domain/json.ts'
import { newLog } from '../../src/log.ts'
import { tablesOfClient } from '../../src/retention/deletion/client-steps.ts'
import { runPass } from '../../src/retention/deletion/eraser.ts'
import { readDueDeletions } from '../../src/retention/deletion/open-deletions.ts'
import { ring } from '../support/api.ts'
import { layOut, looked, settled, storyOf, whereHeld } from '../support/erasing.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'

const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0' })
const { api, db } = gateway

const ledger = async () => ledgerText(await readLedgerReport(db, { unsureSeconds: 3600 }))
const keyOf = async (clientId: string, ...scopes: string[]) =>
  (await api('POST', '/v1/api-keys', { clientId, scopes })).body.data as { id: string; key: string }

/** Looks through it a last time, as if all that was under way at the reply had ended. */
async function finish(clientId: string, id: string) {
  await db.query('update deletions set next_pass_at = now() where id = $1', [id])
  for (const deletion of await readDueDeletions(db, [clientId]))
    await runPass({ db, keyRing: ring, log: newLog('silent'), deletionGraceSeconds: 0 }, deletion, {
      isStopped: () => false,
      pause: async () => {},
    })
  const { rows } = await db.query('select finished_at, looks_for from deletions where id = $1', [id])
  expect(rows).toEqual([{ finished_at: expect.any(Date), looks_for: null }])
}

describe('a client that is deleted', () => {
  test('is told beforehand, refused everywhere at once, and gone from every table but the trail', async () => {
    const { clientId, sourceId, post, receiver } = await layOut(gateway, ['clientgone'])
    const { key } = await keyOf(clientId, 'read', 'write')
    const beforehand = await api('DELETE', `/v1/clients/${clientId}?dryRun=true`)
    expect(beforehand).toMatchObject({
      status: 200,
      body: { data: { dryRun: true, counts: { sources: 1, endpoints: 1, users: 1, api_keys: 1 } } },
    })
    expect(beforehand.body.data.counts.events).toBeGreaterThan(0)
    expect((await api('GET', `/v1/clients/${clientId}`)).status).toBe(200)

    const { status, body } = await api('DELETE', `/v1/clients/${clientId}`)
    expect([status, body.data.counts]).toEqual([202, beforehand.body.data.counts])
    expect((await api('DELETE', `/v1/clients/${clientId}`)).status).toBe(404)
    expect((await api('GET', '/v1/users', undefined, key)).status).toBe(401)
    expect((await api('POST', '/v1/app-events', {}, key)).status).toBe(401)
    expect((await post(gateway.url, JSON.stringify({ id: 'evt_after', type: 'invoice.paid' }))).body.error.code).toBe(
      'source_not_found',
    )
    expect((await api('GET', `/v1/events?clientId=${clientId}`)).status).toBe(404)
    const sent = receiver.requests.length

    await looked(db, body.data.id)
    // Its workers let go of it, and write how its endpoint fared.
    await eventually(
      async () => (await db.query('select 1 from leases where client_id = $1', [clientId])).rowCount === 0,
    )
    await finish(clientId, body.data.id)
    expect(await whereHeld(db, [clientId, sourceId])).toEqual({ deletions: 1 })
    expect(receiver.requests).toHaveLength(sent)
    expect(await ledger()).toContain('The ledger adds up.')
    const { body: trail } = await api('GET', `/v1/deletions?subjectId=${clientId}`)
    expect(trail.data).toMatchObject([
      { kind: 'client', deletedBy: 'FLO_ADMIN_KEY', goneAt: expect.any(String), goneCounts: { users: 1 } },
    ])
  })

  test('takes every table that names a client', async () => {
    const { rows } = await db.query<{ name: string }>(
      `select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'client_id'
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`,
    )
    const elsewhere = {
      // With the reply.
      atOnce: ['api_keys', 'sources', 'endpoints'],
      // The trail; a place in rounds over all clients; and what workers free by themselves.
      kept: ['deletions', 'purges', 'leases'],
    }
    expect([...Object.keys(tablesOfClient), ...elsewhere.atOnce, ...elsewhere.kept].sort()).toEqual(
      rows.map(({ name }) => name).sort(),
    )
  })
})

describe('a source that is deleted', () => {
  test('takes what it sent and what was made of it, and leaves the other sources', async () => {
    const { clientId, sourceId, post } = await layOut(gateway, ['sourcegone'])
    const { body: other } = await api('POST', '/v1/sources', { clientId, signingSecrets: ['whsec_other'] })
    const { key, id: keyId } = await keyOf(clientId, 'write')
    const { status, body } = await api('DELETE', `/v1/sources/${sourceId}`, undefined, key)
    expect([status, body.data.deletedBy]).toEqual([202, keyId])
    expect(body.data.counts.source_events).toBeGreaterThan(0)
    expect((await post(gateway.url, JSON.stringify({ id: 'evt_after', type: 'invoice.paid' }))).status).toBe(404)
    for (const path of ['source-events', 'events', 'deliveries'])
      expect((await api('GET', `/v1/${path}?clientId=${clientId}`)).body.data, path).toEqual([])
    expect((await api('GET', `/v1/sources?clientId=${clientId}`)).body.data.map(({ id }: Json) => id)).toEqual([
      other.data.id,
    ])

    await looked(db, body.data.id)
    await finish(clientId, body.data.id)
    expect(await whereHeld(db, [sourceId, 'in_sourcegone', 'evt_sourcegone'])).toEqual({ deletions: 1 })
    expect(await ledger()).toContain('The ledger adds up.')
  })
})

describe('a user who is deleted', () => {
  let laid: Awaited<ReturnType<typeof layOut>>
  beforeAll(async () => {
    laid = await layOut(gateway, ['adagone', 'bobstays'])
  })
  const eventsOf = async (userId: string) =>
    (await api('GET', `/v1/events?clientId=${laid.clientId}&userId=${userId}&limit=250`)).body
  const userOf = async (name: string) => (await api('GET', `/v1/users/${name}?clientId=${laid.clientId}`)).body.data
  const mentionsOf = ({ customer, email, clientUserId }: { customer: string; email: string; clientUserId: string }) => [
    customer,
    email,
    clientUserId,
  ]

  test('is told beforehand, shown no more at once, and held by no row afterwards', async () => {
    const { clientId, stories } = laid
    const [ada, bob] = [present(stories[0]), present(stories[1])]
    const [adaId, bobId] = [(await userOf(ada.clientUserId)).id, (await userOf(bob.clientUserId)).id]
    const ofBob = (await eventsOf(bobId)).data
    const { body: one } = await api(
      'GET',
      `/v1/source-events?clientId=${clientId}&eventId=${present(ada.events.find((event) => JSON.stringify(event).includes(ada.customer))).id}`,
    )
    const sourceEventId = one.data[0].id

    const beforehand = await api('DELETE', `/v1/users/${ada.clientUserId}?clientId=${clientId}&dryRun=true`)
    expect(beforehand.body.data).toMatchObject({ dryRun: true, subjectId: adaId, counts: { user_customers: 2 } })
    expect(beforehand.body.data.counts.events).toBeGreaterThan(0)
    const { body } = await api('DELETE', `/v1/users/${ada.clientUserId}?clientId=${clientId}`)
    expect((await api('DELETE', `/v1/users/${ada.clientUserId}?clientId=${clientId}`)).status).toBe(404)
    expect((await api('GET', `/v1/users/${ada.clientUserId}?clientId=${clientId}`)).status).toBe(404)
    expect((await eventsOf(adaId)).error.code).toBe('not_found')
    expect((await api('GET', `/v1/source-events/${sourceEventId}`)).body.data.body).toBeNull()

    await looked(db, body.data.id)
    const mentions = mentionsOf(ada)
    expect(await whereHeld(db, mentions)).toEqual({ deletions: 1 })
    await finish(clientId, body.data.id)
    expect(await whereHeld(db, mentions)).toEqual({})
    expect((await eventsOf(bobId)).data).toEqual(ofBob)
    expect(await ledger()).toContain('The ledger adds up.')

    expect((await userOf(bob.clientUserId)).email).toBe(bob.email)
  })

  test('comes back by no later event, of Stripe or of the application', async () => {
    const { clientId, post, stories, receiver } = laid
    const ada = present(stories[0])
    // Stripe goes on: of every object of the customer, as it was and by a customer that only the metadata name.
    const sent = receiver.requests.length
    for (const [at, event] of ada.events.entries())
      await post(gateway.url, JSON.stringify({ ...event, id: `evt_later_${at}` }))
    const stranger = storyOf('stranger')
    for (const event of stranger.events) {
      const object = { ...event.data.object, metadata: { client_user_id: ada.clientUserId } }
      if (['customer', 'checkout.session', 'subscription'].includes(object.object))
        await post(gateway.url, JSON.stringify({ ...event, data: { ...event.data, object } }))
    }
    const published = {
      type: 'account.created',
      clientUserId: ada.clientUserId,
      data: { email: ada.email, name: null, created_at: '2026-06-06T14:00:00.000Z' },
    }
    expect((await api('POST', '/v1/app-events', { clientId, ...published })).status).toBeLessThan(300)
    await settled(db, clientId)
    const { body: later } = await api('GET', `/v1/source-events?clientId=${clientId}&limit=250`)
    const reasons = later.data
      .filter(({ eventId }: Json) => /^evt_(later|stranger)/.test(eventId))
      .map(({ state, reason, type }: Json) => [state, reason?.code ?? type])
    expect(new Set(reasons.map(([state]: string[]) => state))).toEqual(new Set(['ignored']))
    expect(new Set(reasons.map(([, code]: string[]) => code))).toContain('user_deleted')
    expect(later.data.find(({ origin }: Json) => origin === 'app').reason.code).toBe('user_deleted')
    expect(receiver.requests).toHaveLength(sent)
    expect(await whereHeld(db, mentionsOf(ada))).toEqual({})
  })

  test('may be registered anew, with what that request says', async () => {
    const { clientId, post, stories, receiver } = laid
    const ada = present(stories[0])
    const { rows: trail } = await db.query(`select subject_id from deletions where client_id = $1 and kind = 'user'`, [
      clientId,
    ])
    const adaId = trail[0].subject_id
    await api('PUT', `/v1/users/${ada.clientUserId}`, { clientId, stripeCustomerId: ada.customer })
    const anew = await userOf(ada.clientUserId)
    expect([anew.id === adaId, anew.email, anew.stripeCustomerIds]).toEqual([false, null, [ada.customer]])
    for (const [at, event] of ada.events.entries())
      await post(gateway.url, JSON.stringify({ ...event, id: `evt_again_${at}` }))
    await eventually(async () => (await eventsOf(anew.id)).data.length > 0)
    await eventually(() => JSON.parse(present(receiver.requests.at(-1)).body).user.id === anew.id)
  })

  test('is told by an event alone, and goes by the id that Flo gave', async () => {
    const { clientId, post } = laid
    const { customer, email, events } = storyOf('nameless')
    for (const event of events) await post(gateway.url, JSON.stringify(event))
    await settled(db, clientId)
    const { body: found } = await api('GET', `/v1/users?clientId=${clientId}&stripeCustomerId=${customer}`)
    const { id, clientUserId } = found.data[0]
    expect(clientUserId).toBeNull()
    const { status, body } = await api('DELETE', `/v1/users/${id}?clientId=${clientId}`)
    expect([status, body.data.subjectId]).toEqual([202, id])
    await looked(db, body.data.id)
    await finish(clientId, body.data.id)
    expect(await whereHeld(db, [customer, email])).toEqual({})
  })
})

describe('a payload that is expunged', () => {
  test('leaves its ids and states, no copy, and who asked for it', async () => {
    const { clientId, endpointId, stories } = await layOut(gateway, ['expunged'])
    const [story] = stories
    const { id: keyId, key } = await keyOf(clientId, 'read', 'write')
    const { body: listed } = await api('GET', `/v1/events?clientId=${clientId}&eventType=invoice.paid`)
    const event = present(listed.data[0])
    const { body: before } = await api('GET', `/v1/source-events/${event.sourceEventId}`)
    const invoiceId = JSON.parse(before.data.body).data.object.id
    const { body: deliveries } = await api('GET', `/v1/deliveries?eventId=${event.id}`)

    const beforehand = await api('POST', `/v1/source-events/${event.sourceEventId}/expunge?dryRun=true`, {}, key)
    expect([beforehand.status, beforehand.body.data.counts]).toMatchObject([
      200,
      { source_event_bodies: 1, attempts: 2 },
    ])
    const { status, body } = await api('POST', `/v1/events/${event.id}/expunge`, {}, key)
    expect([status, body.data.subjectId, body.data.deletedBy]).toEqual([202, event.sourceEventId, keyId])

    const { body: after } = await api('GET', `/v1/source-events/${event.sourceEventId}`)
    expect(after.data).toEqual({ ...before.data, body: null })
    expect((await api('GET', `/v1/events/${event.id}`)).body.data).toMatchObject({ id: event.id, body: null })
    const { body: attempts } = await api('GET', `/v1/deliveries/${deliveries.data[0].id}/attempts`)
    expect(attempts.data).toMatchObject([{ status: 200, responseBody: null, responseHeaders: null }])
    const { body: explained } = await api('GET', `/v1/source-events/${event.sourceEventId}/explain`)
    expect(explained.data.pastRetention).toMatch(new RegExp(`expunged on .*${keyId}`))
    expect((await api('POST', `/v1/deliveries/${deliveries.data[0].id}/resend`, {})).body.error.code).toBe(
      'payload_expired',
    )
    expect((await api('POST', `/v1/source-events/${event.sourceEventId}/expunge`, {}, key)).status).toBe(202)
    const { rows } = await db.query(
      `select strpos(snapshot::text, $3) as found from objects where client_id = $1 and object_id = $2`,
      [clientId, invoiceId, before.data.eventId],
    )
    expect(rows.every(({ found }) => found === 0)).toBe(true)
    expect(story && endpointId).toBeTruthy()
    expect(await ledger()).toContain('The ledger adds up.')
  })
})
