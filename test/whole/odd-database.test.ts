import { randomBytes } from 'node:crypto'
import { expect, inject, test } from 'vitest'
import { migrateDatabase } from '../../src/database/migrate.ts'
import { newLog } from '../../src/log.ts'
import { afterwards } from '../support/afterwards.ts'
import { emptyDatabase, onServer } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { LEFT_SETTINGS, ODD_SETTINGS } from '../support/odd-settings.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const server = inject('postgresUrl')
const nameOf = (url: string) => new URL(url).pathname.slice(1)

/** An empty database and a role that owns it and is no superuser. */
async function ownedDatabase() {
  const url = await emptyDatabase()
  const role = `role_${randomBytes(6).toString('hex')}`
  await onServer(server, `create role ${role} login password 'secret'`)
  await onServer(server, `alter database ${nameOf(url)} owner to ${role}`)
  afterwards(() => onServer(server, `drop role ${role}`).catch(() => {}))
  return { url, role, theirs: Object.assign(new URL(url), { username: role, password: 'secret' }).href }
}

/** Each setting that may be carried, with its odd value; not the one that is refused. */
const carried = [...Object.entries(ODD_SETTINGS), ...LEFT_SETTINGS.filter(([, odd]) => odd !== undefined)].filter(
  ([name]) => name !== 'session_replication_role',
)

test.each(['role', 'database'] as const)(
  'with every setting of the %s at an odd value, events come in once, are told right, and go out',
  async (level) => {
    const { url, role, theirs } = await ownedDatabase()
    const target = level === 'role' ? `role ${role}` : `database ${nameOf(url)}`
    for (const [name, value = ''] of carried)
      await onServer(server, `alter ${target} set ${name} = '${value}'`).catch((error) => {
        throw new Error(`${name} = ${value}: ${error.message}`)
      })
    // The tables are made, and found again, under these settings too.
    await migrateDatabase({ url: theirs, log: newLog('silent') })
    const gateway = await startTestGateway({ DATABASE_URL: theirs })
    const receiver = await startReceiver()
    const way = await layWay(gateway.api, receiver.url)
    const event = JSON.parse(subscriptionCreated())
    event.data.object.metadata = { client_user_id: 'Zoë 🦊 \\ "x" \'y\'' }
    const body = JSON.stringify(event)
    expect((await way.post(gateway.url, body)).body).toEqual({ received: true, duplicate: false })
    expect((await way.post(gateway.url, body)).body).toEqual({ received: true, duplicate: true })
    const [request] = await eventually(() => receiver.requests.length > 0 && receiver.requests)
    expect(request?.body).toContain(JSON.stringify(event.data.object.metadata.client_user_id))
    const [delivery] = await eventually(async () => {
      const all = await way.deliveries()
      return all[0]?.state === 'delivered' && all
    })
    for (const field of ['createdAt', 'finishedAt'])
      expect([field, new Date(String(delivery[field])).toISOString()]).toEqual([field, delivery[field]])
    // Many at once, of one lane and of many.
    const more = Array.from({ length: 60 }, (_, at) => subscriptionCreated(at % 2 ? {} : { customer: 'cus_one' }))
    const answers = await Promise.all(more.map((text) => way.post(gateway.url, text)))
    expect(answers.map(({ status, body }) => [status, body.duplicate])).toEqual(more.map(() => [200, false]))
    await eventually(() => new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size === 61)
  },
)
