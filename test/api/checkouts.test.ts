import { describe, expect, test } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import { apiOn, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'

const { db } = await freshDatabase()
const api = apiOn(db)
const { ours, theirs } = await twoClients(api)
const PATH = '/v1/checkouts/sessions'

const ITEM = { id: 'price_course', name: 'Course', quantity: 2, currency: 'eur', amount: 49.5, total: 99 }

describe('a checkout', () => {
  test('is registered with the uuids that are given, and gets those that are not', async () => {
    const [id, uuid] = [newId(), newId()]
    const { status, body } = await ours.full.post(PATH, {
      id,
      stripeSessionId: 'cs_1',
      clientUserId: 'user_1',
      items: [{ ...ITEM, uuid }, { id: 'price_book' }],
      subscriptions: [{ id: 'price_pro', metadata: { seat: 'a' } }],
      metadata: { campaign: 'spring' },
    })
    expect(status).toBe(201)
    expect(body.data).toMatchObject({
      id,
      stripeSessionId: 'cs_1',
      clientUserId: 'user_1',
      items: [
        { ...ITEM, uuid, currency: 'EUR', description: null, metadata: null },
        { id: 'price_book', name: null, quantity: null, amount: null },
      ],
      subscriptions: [{ id: 'price_pro', adopted: false, metadata: { seat: 'a' } }],
      metadata: { campaign: 'spring' },
    })
    expect((await ours.full.get(`${PATH}/${id}`)).body.data).toEqual(body.data)
  })

  test('needs nothing but to be registered', async () => {
    const { body } = await ours.full.post(PATH, {})
    expect(body.data).toMatchObject({
      stripeSessionId: null,
      clientUserId: null,
      items: [],
      subscriptions: [],
      metadata: {},
    })
  })

  test('releases events that wait for it under either of its ids', async () => {
    const { body } = await ours.full.post(PATH, { stripeSessionId: 'cs_told' })
    expect(api.facts).toContainEqual({
      clientId: ours.clientId,
      facts: [`checkout:${body.data.id}`, 'checkout:cs_told'],
    })
  })

  test('cannot be registered twice, by its own id or by the session', async () => {
    const { data } = (await ours.full.post(PATH, { stripeSessionId: 'cs_twice' })).body
    const again = await ours.full.post(PATH, { id: data.id.toUpperCase() })
    expect([again.status, again.body.error.details]).toMatchObject([409, [{ path: 'id' }]])
    const other = await ours.full.post(PATH, { stripeSessionId: 'cs_twice' })
    expect([other.status, other.body.error.details]).toMatchObject([409, [{ path: 'stripeSessionId' }]])
    expect((await theirs.full.post(PATH, { id: data.id, stripeSessionId: 'cs_twice' })).status).toBe(201)
  })

  test('is registered once when two ask at the same time', async () => {
    const asked = await Promise.all([1, 2, 3, 4].map(() => ours.full.post(PATH, { stripeSessionId: 'cs_race' })))
    expect(asked.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409])
  })

  test('takes its session later, once', async () => {
    const { id } = (await ours.full.post(PATH, { clientUserId: 'user_2' })).body.data
    const { body } = await ours.full.patch(`${PATH}/${id}`, { stripeSessionId: 'cs_later' })
    expect(body.data).toMatchObject({ stripeSessionId: 'cs_later', clientUserId: 'user_2' })
    expect(api.facts).toContainEqual({ clientId: ours.clientId, facts: [`checkout:${id}`, 'checkout:cs_later'] })
    expect(
      (await ours.full.patch(`${PATH}/${id}`, { stripeSessionId: 'cs_later', clientUserId: null })).body.data,
    ).toMatchObject({ clientUserId: null })
    expect((await ours.full.patch(`${PATH}/${id}`, { stripeSessionId: 'cs_other' })).status).toBe(409)
    const another = (await ours.full.post(PATH, {})).body.data
    expect((await ours.full.patch(`${PATH}/${another.id}`, { stripeSessionId: 'cs_later' })).status).toBe(409)
  })

  test('is found by its session or its user, newest first, and by nobody else', async () => {
    const ids: string[] = []
    for (const stripeSessionId of ['cs_a', 'cs_b'])
      ids.unshift((await ours.full.post(PATH, { stripeSessionId, clientUserId: 'user_list' })).body.data.id)
    const { body } = await ours.full.get(`${PATH}?clientUserId=user_list`)
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual(ids)
    expect((await ours.full.get(`${PATH}?stripeSessionId=cs_b`)).body.data).toMatchObject([{ id: ids[0] }])
    expect((await theirs.full.get(`${PATH}?clientUserId=user_list`)).body.data).toEqual([])
    expect((await theirs.full.get(`${PATH}/${ids[0]}`)).status).toBe(404)
    expect((await theirs.full.patch(`${PATH}/${ids[0]}`, { clientUserId: 'x' })).status).toBe(404)
    expect((await ours.reader.post(PATH, {})).status).toBe(403)
  })

  const same = newId()
  test.each([
    ['an id that is no uuid', { id: 'checkout_1' }],
    ['a session that is none of Stripe', { stripeSessionId: 'sub_1' }],
    ['an item without an id', { items: [{ name: 'Course' }] }],
    [
      'one uuid twice',
      {
        items: [
          { id: 'a', uuid: same },
          { id: 'b', uuid: same.toUpperCase() },
        ],
      },
    ],
    ['a currency of four letters', { items: [{ id: 'a', currency: 'euro' }] }],
    ['a key that it does not know', { items: [{ id: 'a', price: 1 }] }],
  ])('is refused with %s', async (_, body) => {
    expect((await ours.full.post(PATH, body)).status).toBe(422)
  })
})
