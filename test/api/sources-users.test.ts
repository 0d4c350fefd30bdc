import { describe, expect, test } from 'vitest'
import { idOfWords, newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { apiOn, ring, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'

const { db } = await freshDatabase()
const api = apiOn(db)
const { ours, theirs } = await twoClients(api)

describe('a source', () => {
  const secretsOf = async (id: string) => {
    const { rows } = await db.query('select signing_secrets, api_key from sources where id = $1', [id])
    return {
      signing: rows[0].signing_secrets.map(ring.decrypt),
      apiKey: rows[0].api_key && ring.decrypt(rows[0].api_key),
    }
  }

  test('tells where Stripe must send, and never its secrets', async () => {
    const { status, body, text } = await ours.full.post('/v1/sources', {
      kind: 'stripe',
      name: 'Main account',
      signingSecrets: ['whsec_new', 'whsec_ä!"§', 'whsec_new'],
      apiKey: 'rk_live_1',
    })
    const { id } = body.data
    expect(status).toBe(201)
    expect(body.data).toMatchObject({
      webhookUrl: `https://flo.example/webhooks/stripe/${id}`,
      signingSecretCount: 2,
      hasApiKey: true,
    })
    for (const reply of [
      text,
      (await ours.full.get(`/v1/sources/${id}`)).text,
      (await ours.full.get('/v1/sources')).text,
    ])
      expect(reply).not.toMatch(/whsec_|rk_live/)
    expect(await secretsOf(id)).toEqual({ signing: ['whsec_new', 'whsec_ä!"§'], apiKey: 'rk_live_1' })
  })

  test('changes what is given and leaves the rest', async () => {
    const { id } = (await ours.full.post('/v1/sources', { name: 'A', signingSecrets: ['whsec_1'], apiKey: 'sk_1' }))
      .body.data
    await ours.full.patch(`/v1/sources/${id}`, { signingSecrets: ['whsec_2', 'whsec_1'] })
    expect(await secretsOf(id)).toEqual({ signing: ['whsec_2', 'whsec_1'], apiKey: 'sk_1' })
    const { body } = await ours.full.patch(`/v1/sources/${id}`, { name: null, apiKey: null })
    expect(body.data).toMatchObject({ name: null, hasApiKey: false, signingSecretCount: 2 })
    expect((await ours.full.patch(`/v1/sources/${id}`, {})).body.data).toEqual(body.data)
  })

  test.each([[[]], [['sk_1']], [['whsec_']], [['whsec_ 1']], [['whsec_1\n']], ['whsec_1'], [[1]], [undefined]])(
    'is refused with the signing secrets %j',
    async (signingSecrets) => {
      expect((await ours.full.post('/v1/sources', { signingSecrets })).status).toBe(422)
    },
  )
})

describe('a user', () => {
  const met = async (customerId: string, clientUserId: string | null = null) => {
    const id = newId()
    await db.query('insert into users (client_id, id, client_user_id, registered) values ($1, $2, $3, false)', [
      ours.clientId,
      id,
      clientUserId,
    ])
    await db.query('insert into user_customers (client_id, customer_id, user_id) values ($1, $2, $3)', [
      ours.clientId,
      customerId,
      id,
    ])
    return id
  }
  const put = async (clientUserId: string, body: object = {}) =>
    (await ours.full.put(`/v1/users/${encodeURIComponent(clientUserId)}`, body)).body.data

  test('is registered by the own id of the client, and its id follows from it', async () => {
    const user = await put('user_123', { email: 'a@example.com', stripeCustomerId: 'cus_1' })
    expect(user).toMatchObject({
      id: idOfWords('user', ours.clientId, 'user_123'),
      clientUserId: 'user_123',
      email: 'a@example.com',
      registered: true,
      stripeCustomerIds: ['cus_1'],
    })
    expect(api.facts).toContainEqual({ clientId: ours.clientId, facts: ['client_user_id:cus_1'] })
    expect((await ours.full.get('/v1/users/user_123')).body.data).toEqual(user)
    expect((await theirs.full.get('/v1/users/user_123')).status).toBe(404)
  })

  test('keeps what a later PUT leaves out, and may have several customers', async () => {
    await put('user_2', { email: 'b@example.com', stripeCustomerId: 'cus_2' })
    expect(await put('user_2', { stripeCustomerId: 'cus_3' })).toMatchObject({
      email: 'b@example.com',
      stripeCustomerIds: ['cus_2', 'cus_3'],
    })
    expect(await put('user_2', { email: null })).toMatchObject({ email: null, stripeCustomerIds: ['cus_2', 'cus_3'] })
  })

  test('that an event has met keeps its id when it is given a name', async () => {
    const id = await met('cus_4')
    expect(await put('user_4', { stripeCustomerId: 'cus_4', email: 'd@example.com' })).toMatchObject({
      id,
      clientUserId: 'user_4',
      email: 'd@example.com',
      registered: true,
    })
  })

  test('takes the link of a customer from a user of another name, or from a nameless one when it exists already', async () => {
    const named = await met('cus_5', 'somebody')
    const moved = await put('user_5', { stripeCustomerId: 'cus_5' })
    expect(moved.id).not.toBe(named)
    expect((await ours.full.get('/v1/users/somebody')).body.data.stripeCustomerIds).toEqual([])

    await met('cus_6')
    expect((await put('user_5', { stripeCustomerId: 'cus_6' })).stripeCustomerIds).toEqual(['cus_5', 'cus_6'])
    expect(await put('user_5')).toMatchObject({ id: moved.id })
  })

  test('is one, however often it is registered at once', async () => {
    await met('cus_7')
    await met('cus_8')
    const ids = await Promise.all(['cus_7', 'cus_8', 'cus_7'].map((id) => put('user_7', { stripeCustomerId: id })))
    expect(new Set(ids.map(({ id }) => id)).size).toBe(1)
    expect(await put('user_7')).toMatchObject({ stripeCustomerIds: ['cus_7', 'cus_8'] })
  })

  test('may be called what Stripe calls a customer', async () => {
    const id = idOfWords('user', ours.clientId, 'cus_9')
    await db.query('insert into users (client_id, id, registered) values ($1, $2, false)', [ours.clientId, id])
    await db.query(`insert into user_customers (client_id, customer_id, user_id) values ($1, 'cus_9', $2)`, [
      ours.clientId,
      id,
    ])
    expect((await put('bob', { stripeCustomerId: 'cus_9' })).id).toBe(id)
    expect(await put('cus_9')).toMatchObject({ id: expect.not.stringContaining(id), clientUserId: 'cus_9' })
    expect((await ours.full.get('/v1/users/bob')).body.data.id).toBe(id)
  })

  test('may have any id that is text, and is found by its customer', async () => {
    for (const name of ['a/b', 'ü ☃', '%', '..%2f', '0'.repeat(500)]) expect((await put(name)).clientUserId).toBe(name)
    expect((await ours.full.put(`/v1/users/${'0'.repeat(501)}`, {})).status).toBe(422)
    expect((await ours.full.put('/v1/users/a%00b', {})).status).toBe(422)
    const { body } = await ours.full.get('/v1/users?stripeCustomerId=cus_1')
    expect(body.data.map((user: Json) => user.clientUserId)).toEqual(['user_123'])
  })

  test('needs the client to be named by an operator', async () => {
    expect((await api.admin.put('/v1/users/u', {})).status).toBe(422)
    expect((await api.admin.put('/v1/users/u', { clientId: ours.clientId })).status).toBe(200)
    expect((await api.admin.get(`/v1/users/u?clientId=${ours.clientId}`)).status).toBe(200)
  })

  test.each([
    { email: 'nobody' },
    { email: 1 },
    { stripeCustomerId: '' },
    { stripeCustomerId: 'cus 1' },
    { name: 'x' },
  ])('is refused with %j', async (body) => {
    expect((await ours.full.put('/v1/users/u', body)).status).toBe(422)
  })
})
