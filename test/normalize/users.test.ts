import { describe, expect, test } from 'vitest'
import { type User, Users } from '../../src/normalize/world/users.ts'
import { emptyWorld } from '../../src/normalize/world/world.ts'
import { CLIENT, heard, story } from '../support/story.ts'

const registered = (clientUserId: string, email: string | null = null): User => ({
  id: '44444444-4444-4444-8444-444444444444',
  clientUserId,
  email,
  registered: true,
})

describe('who is behind a customer', () => {
  test('the registered user, whatever events say', () => {
    const people = new Users(CLIENT)
    people.addUser(registered('user_1'), 'cus_1')
    expect(people.resolveUser('cus_1', 'user_2').clientUserId).toBe('user_1')
    expect(people.settleUser('cus_1', 'user_2').clientUserId).toBe('user_1')
    expect(people.changed.size).toBe(0)
  })

  test('the user of the id that an event carries, the same for all of its customers', () => {
    const people = new Users(CLIENT)
    const first = people.settleUser('cus_1', 'user_1')
    expect(people.settleUser('cus_2', 'user_1')).toBe(first)
    expect(people.resolveUser('cus_2', null)).toBe(first)
  })

  test('somebody without a name keeps the same id once the name is known', () => {
    const people = new Users(CLIENT)
    const nameless = people.settleUser('cus_1', null).id
    expect(people.resolveUser('cus_1', 'user_1')).toMatchObject({ id: nameless, clientUserId: 'user_1' })
    expect(people.settleUser('cus_1', 'user_1').id).toBe(nameless)
    expect(people.resolveUser('cus_1', null)).toMatchObject({ id: nameless, clientUserId: 'user_1' })
  })

  test('reading creates no user', () => {
    const people = new Users(CLIENT)
    people.resolveUser('cus_1', 'user_1')
    expect([people.byCustomer.size, people.byClientUserId.size, people.changed.size]).toEqual([0, 0, 0])
  })

  test('a customer that stands for several users stays with the first', () => {
    const people = new Users(CLIENT)
    people.settleUser('cus_1', 'user_1')
    expect(people.settleUser('cus_1', 'user_2').clientUserId).toBe('user_2')
    expect(people.resolveUser('cus_1', null).clientUserId).toBe('user_1')
  })

  test('the same words give the same id in every process, and another client another', () => {
    const idOf = (clientId: string) => new Users(clientId).resolveUser('cus_1', 'user_1').id
    expect(idOf(CLIENT)).toBe(idOf(CLIENT))
    expect(idOf(CLIENT)).not.toBe(idOf('33333333-3333-4333-8333-333333333333'))
  })
})

describe('the user of an event', () => {
  const invoice = (metadata: object, email: string | null) => ({
    id: 'evt_1',
    type: 'invoice.created',
    created: 10,
    data: {
      object: { id: 'in_1', object: 'invoice', status: 'draft', customer: 'cus_1', customer_email: email, metadata },
    },
  })
  const userIn = (events: object[], world = emptyWorld(CLIENT)) =>
    JSON.parse(heard(story(events, { world })).at(-1)?.body ?? 'null').user

  test('has the email that was registered, before that of the customer and of the event', () => {
    const customer = {
      id: 'evt_0',
      type: 'customer.created',
      created: 5,
      data: { object: { id: 'cus_1', object: 'customer', email: 'customer@example.com' } },
    }
    const withId = invoice({ client_user_id: 'user_1' }, 'invoice@example.com')
    const world = emptyWorld(CLIENT)
    world.users.addUser(registered('user_1', 'registered@example.com'), null)
    expect(userIn([customer, withId], world).email).toBe('registered@example.com')
    expect(userIn([customer, withId]).email).toBe('customer@example.com')
    expect(userIn([withId]).email).toBe('invoice@example.com')
    expect(userIn([invoice({}, null)])).toMatchObject({ clientUserId: null, email: null })
  })

  test('is a registered one before all that events say', () => {
    const world = emptyWorld(CLIENT)
    const user = registered('user_of_api')
    world.users.addUser(user, 'cus_1')
    expect(userIn([invoice({ client_user_id: 'user_of_invoice' }, null)], world)).toMatchObject({
      id: user.id,
      clientUserId: 'user_of_api',
    })
  })

  test('without a customer is that of the object itself, and nobody else', () => {
    const bare = { id: 'evt_1', type: 'invoice.created', created: 10 }
    const of = (id: string) => ({
      ...bare,
      data: { object: { id, object: 'invoice', status: 'draft', customer: null } },
    })
    expect(userIn([of('in_1')]).id).not.toBe(userIn([of('in_2')]).id)
  })
})
