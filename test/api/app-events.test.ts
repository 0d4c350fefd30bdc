import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type AppEventType, appEvents } from '../../src/domain/app-events.ts'
import { apiOn, twoClients } from '../support/api.ts'
import { appData, appEvent, BATCH, publishing } from '../support/app-events.ts'
import { freshDatabase } from '../support/database.ts'
import { chooseCount } from '../support/thorough.ts'

const { db } = await freshDatabase()
const api = apiOn(db)
const { ours } = await twoClients(api)
const { publish, refuses, bodyOf } = publishing(db, ours)

const types = Object.keys(appEvents) as AppEventType[]
const members = types.flatMap((type) => Object.keys(appEvents[type].shape).map((member) => ({ type, member })))

describe('an event of the application', () => {
  test.each(types)('%s is kept as Stripe’s are, and answered as it is read', async (type) => {
    const { status, body } = await publish(appEvent(type, { occurredAt: '2026-01-02T05:04:05.678+02:00' }))
    expect(status).toBe(202)
    const { data } = body
    expect(data).toMatchObject({
      clientId: ours.clientId,
      sourceId: ours.clientId,
      origin: 'app',
      type,
      apiVersion: null,
      account: null,
      livemode: true,
      createdAt: '2026-01-02T03:04:05.678Z',
      state: 'received',
    })
    const read = (await ours.full.get(`/v1/source-events/${data.id}`)).body.data
    expect(read).toEqual({ ...data, body: expect.any(String) })
    expect(read.body).toBe(
      JSON.stringify({
        id: data.eventId,
        object: 'event',
        type,
        created: 1767323045.678,
        livemode: true,
        data: {
          object: {
            object: 'app_event',
            id: data.eventId,
            user: { id: null, client_user_id: 'user_123' },
            data: appData[type],
          },
        },
      }),
    )
  })

  test('that happens now is of the moment of its receipt', async () => {
    const { data } = (await publish(appEvent())).body
    expect(Math.abs(Date.parse(data.createdAt) - Date.parse(data.receivedAt))).toBeLessThan(60_000)
  })

  test('tells times in UTC with milliseconds, whatever their offset', async () => {
    const data = { ...appData['user.login'], at: '2026-06-06T14:00:00.123456+05:30' }
    const { id } = (await publish(appEvent('user.login', { data }))).body.data
    expect((await bodyOf(id)).data.object.data.at).toBe('2026-06-06T08:30:00.123Z')
  })

  test('takes an account without an id of its own, and null for what is not known', async () => {
    const account = { email: null, name: null, created_at: '2026-06-06T12:00:00.000Z' }
    const { id } = (await publish(appEvent('account.created', { data: account }))).body.data
    expect((await bodyOf(id)).data.object.data).toEqual(account)
  })

  test.each(members)('$type without $member is refused, unless it may be left out', async ({ type, member }) => {
    const { [member]: _, ...data } = appData[type]
    if (`${type} ${member}` === 'account.created id') return
    expect(await refuses(() => publish(appEvent(type, { data })))).toEqual([
      { path: `data.${member}`, code: 'required', message: 'is required' },
    ])
  })

  test.each(members)('$type with a wrong $member is refused', async ({ type, member }) => {
    for (const wrong of [{}, [], true, type === 'usage.metrics_updated' && member === 'value' ? 'x' : 7]) {
      const details = await refuses(() => publish(appEvent(type, { data: { ...appData[type], [member]: wrong } })))
      expect(new Set(details.map(({ path }) => path))).toEqual(new Set([`data.${member}`]))
    }
  })

  test.each(types)('%s with a member that it does not have is refused', async (type) => {
    expect(
      await refuses(() => publish(appEvent(type, { colour: 'red', data: { ...appData[type], secret: 1 } }))),
    ).toEqual(
      expect.arrayContaining([
        { path: 'data.secret', code: 'unknown_key', message: expect.any(String) },
        { path: 'colour', code: 'unknown_key', message: expect.any(String) },
      ]),
    )
  })

  test.each([
    ['user.login', 'at', '2026-06-06'],
    ['user.login', 'at', '2026-06-06T12:00:00'],
    ['user.login', 'at', '2026-02-30T12:00:00Z'],
    ['user.login', 'at', '0000-12-31T23:59:59Z'],
    ['user.login', 'at', '9999-12-31T23:59:59-01:00'],
    ['user.login', 'ip', '203.0.113'],
    ['user.login', 'ip', '203.0.113.7:80'],
    ['user.login', 'ip', 'fe80::1%eth0'],
    ['user.login', 'ip', ''],
    ['user.login', 'user_agent', 'x'.repeat(4097)],
    ['user.login', 'user_agent', 'a\u0000b'],
    ['user.login', 'user_agent', '\ud800'],
    ['team_member.added', 'email', 'grace'],
    ['team_member.added', 'email', null],
    ['team_member.added', 'id', ''],
    ['team_member.added', 'role', null],
    ['usage.metrics_updated', 'metric', 'x'.repeat(201)],
    ['usage.metrics_updated', 'value', null],
    ['tos.accepted', 'accepted_at', null],
    ['account.created', 'email', 'x'.repeat(320)],
    ['account.created', 'created_at', null],
  ] as const)('%s with the %s %j is refused', async (type, member, wrong) => {
    const details = await refuses(() => publish(appEvent(type, { data: { ...appData[type], [member]: wrong } })))
    expect(details.map(({ path }) => path)).toEqual([`data.${member}`])
  })

  test('with a number that JSON writes and no double holds is refused', async () => {
    const text = JSON.stringify(appEvent('usage.metrics_updated')).replace('1204.5', '1e999')
    expect((await refuses(() => publish(text)))[0]).toMatchObject({ path: 'data.value' })
  })

  test.each([
    ['of an unknown type', { type: 'user.logout' }, 'type', 'invalid_value'],
    ['without a type', { type: undefined }, 'type', 'required'],
    ['without data', { data: undefined }, 'data', 'required'],
    ['with other data', { data: appData['tos.accepted'] }, 'data.at', 'required'],
    ['without a user', { clientUserId: undefined }, 'userId', 'required'],
    ['with two users', { userId: '01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11' }, 'clientUserId', 'invalid'],
    ['with a nameless user', { clientUserId: '' }, 'clientUserId', 'too_small'],
    ['of more than five minutes from now', { occurredAt: new Date(Date.now() + 330_000) }, 'occurredAt', 'invalid'],
    ['of no time', { occurredAt: 'yesterday' }, 'occurredAt', 'invalid_format'],
    ['of no year', { occurredAt: '0000-01-01T00:00:00Z' }, 'occurredAt', 'invalid'],
  ])('%s is refused', async (_, fields, path, code) => {
    expect(await refuses(() => publish(appEvent('user.login', fields)))).toContainEqual({
      path,
      code,
      message: expect.any(String),
    })
  })

  test('of the first year, and of five minutes from now, is taken', async () => {
    const soon = new Date(Date.now() + 290_000).toISOString()
    for (const occurredAt of ['0001-01-01T00:00:00.000Z', soon])
      expect((await publish(appEvent('user.login', { occurredAt }))).body.data.createdAt).toBe(occurredAt)
  })
})

test('no body, however strange, is our own fault', async () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.double(),
    fc.constantFrom(null, '\u0000', '\ud800', 1e308, -0, '__proto__', '2026-01-01T00:00:00Z', '::1', ours.clientId),
    fc.json().map((text) => JSON.parse(text)),
  )
  const event = fc.constantFrom(...types).chain((type) =>
    fc.record({
      type: fc.oneof({ arbitrary: fc.constant(type as unknown), weight: 9 }, { arbitrary: value, weight: 1 }),
      clientUserId: fc.oneof(fc.constant('user_1'), fc.string({ unit: 'binary' }), value),
      data: fc.record(
        Object.fromEntries(
          Object.keys(appEvents[type].shape).map((member) => [
            member,
            fc.oneof({ arbitrary: fc.constant(appData[type][member]), weight: 5 }, { arbitrary: value, weight: 1 }),
          ]),
        ),
      ),
      occurredAt: fc.oneof(fc.constant('2001-01-01T00:00:00Z'), fc.date().map(String), value),
    }),
  )
  const seen = new Set<number>()
  await fc.assert(
    fc.asyncProperty(fc.oneof(event, value), fc.array(event, { maxLength: 3 }), async (one, several) => {
      seen.add((await publish(JSON.stringify(one) ?? 'null')).status)
      seen.add((await ours.full.post(BATCH, { events: several })).status)
    }),
    { numRuns: chooseCount(120, 400) },
  )
  expect([...seen].sort()).toEqual([202, 422])
})

test('the shapes can be told as JSON Schema, with what goes in and what is kept alike', () => {
  for (const schema of Object.values(appEvents))
    expect(z.toJSONSchema(schema, { io: 'input' })).toEqual(z.toJSONSchema(schema, { io: 'output' }))
})
