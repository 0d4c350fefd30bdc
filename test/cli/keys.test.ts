import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Db } from '../../src/database/db.ts'
import type { Json } from '../../src/domain/json.ts'
import { certificate } from '../support/certificates.ts'
import { runCommand } from '../support/command.ts'
import { compiled } from '../support/compiled.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { tryingClient } from '../support/trying.ts'
import { layWay } from '../support/way.ts'

const folder = await temporaryFolder()
const key = (id: string, byte: number) => `${id}:${Buffer.alloc(32, byte).toString('base64')}`
const [K1, K2, K3] = [key('k1', 1), key('k2', 2), key('k3', 3)]
const ring = (...keys: string[]) => ({ FLO_ENCRYPTION_KEYS: keys.join(',') })

const rotate = (url: string, keys: string[], ...options: string[]) =>
  runCommand(['keys', 'rotate', ...options], folder, environment(url, ring(...keys)))

test('a key is changed without a gap: everything is encrypted anew, and then the old key can go', async () => {
  const { url, db } = await freshDatabase()
  const receiver = await startReceiver()
  const before = await startTestGateway({ DATABASE_URL: url, ...ring(K1) })
  const way = await layWay(before.api, receiver.url)
  const client = await tryingClient(before.api)
  const endpoint = await client.newEndpoint({ url: receiver.url, headers: { Authorization: 'Bearer of-theirs' } })
  const signing = await client.newEndpoint({ url: receiver.url, signature: 'ed25519' })
  const own = certificate({ name: 'ours', use: 'client' })
  await client.newEndpoint({ url: 'https://example.com/', tls: { clientCertificate: own.cert, clientKey: own.key } })
  await before.api('POST', `/v1/endpoints/${endpoint.id}/secret/rotate`)
  const once = (gateway: { url: string; adminKey: string }) => doneOnce(gateway, client.clientId)
  const { status, body: told } = await once(before)
  expect(status).toBe(201)
  const versions = async () => (await db.query('select id, version, updated_at from endpoints order by id')).rows
  const asTheyWere = await versions()

  // Who has not got the key yet could not read what is encrypted with it.
  const early = await rotate(url, [K2, K1])
  expect([early.code, early.stderr]).toEqual([2, expect.stringMatching(/"k2" is unknown to process \d+ on /)])
  await before.stop()

  const during = await startTestGateway({ DATABASE_URL: url, ...ring(K2, K1) })
  const check = await rotate(url, [K2, K1], '--check')
  expect([check.code, check.stdout]).toEqual([1, expect.stringContaining('Something is left under k1.')])
  const done = await rotate(url, [K2, K1])
  expect([done.code, done.stdout]).toEqual([0, expect.stringContaining('Nothing is left under k1')])
  for (const kind of ['headers', 'client certificates', 'signing secrets'])
    expect(done.stdout).toContain(`${kind} of endpoints`)
  // Wherever else something may be encrypted by now, the command has to know of it.
  expect(await under(db, 'k1')).toEqual([])
  expect(await under(db, 'k2')).toEqual(['endpoints', 'idempotency_keys', 'sources'])
  expect(await versions()).toEqual(asTheyWere)
  await during.stop()

  const after = await startTestGateway({ DATABASE_URL: url, ...ring(K2) })
  await way.post(after.url, subscriptionCreated())
  expect(await eventually(() => receiver.requests.length >= 1)).toBe(true)
  const { sent } = await reachedBy(after, client)
  expect(await sent(endpoint.id)).toMatchObject({ state: 'delivered' })
  expect(present(receiver.requests.at(-1)).headers.authorization).toBe('Bearer of-theirs')
  expect(await sent(signing.id)).toMatchObject({ state: 'delivered' })
  const secrets = (await after.api('GET', `/v1/endpoints/${endpoint.id}/secret`)).body.data
  expect(secrets.previous).toMatchObject([{ secret: endpoint.secret }])
  const again = await once(after)
  expect([again.body, again.headers.get('idempotency-replayed')]).toEqual([told, 'true'])
  expect((await rotate(url, [K2])).stdout).toContain('Everything is under k2.')
})

/** The tables in which anything at all is encrypted with this key. */
async function under(db: Db, keyId: string): Promise<string[]> {
  const { rows } = await db.query(
    `select table_name as name from information_schema.tables
      where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`,
  )
  const held = await Promise.all(
    rows.map(async ({ name }) => {
      const found = await db.query(`select from "${name}" t where to_jsonb(t)::text ~ $1 limit 1`, [
        `"${keyId}:[A-Za-z0-9+/]{30}`,
      ])
      return found.rowCount === 1 ? [name as string] : []
    }),
  )
  return held.flat()
}

/** The same request to make an endpoint, by the same Idempotency-Key. */
async function doneOnce({ url, adminKey }: { url: string; adminKey: string }, clientId: string) {
  const response = await fetch(`${url}/v1/endpoints`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${adminKey}`,
      'content-type': 'application/json',
      'idempotency-key': 'the-same',
    },
    body: JSON.stringify({ clientId, url: 'https://example.com/' }),
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

/** The same client, over another gateway. */
async function reachedBy(gateway: { api: Json }, { clientId }: { clientId: string }) {
  const other = await tryingClient(gateway.api)
  return { ...other, clientId }
}

test('broken off in the middle it goes on where it was', async () => {
  const { url, db } = await freshDatabase()
  const gateway = await startTestGateway({ DATABASE_URL: url, ...ring(K1) })
  const { clientId, newEndpoint } = await tryingClient(gateway.api)
  const { id } = await newEndpoint({ url: 'https://example.com/' })
  await db.query(
    `insert into endpoints (id, client_id, url, contract, secrets)
     select gen_random_uuid(), $2, url, contract, secrets from endpoints, generate_series(1, 350) where id = $1`,
    [id, clientId],
  )
  await gateway.stop()
  const under = async (keyId: string) =>
    (await db.query(`select count(*) from endpoints where starts_with(secrets->0->>'secret', $1)`, [`${keyId}:`]))
      .rows[0].count

  // A row that somebody else has holds it up in the third batch.
  const tx = await db.connect()
  await tx.query('begin')
  await tx.query(
    `select from endpoints where id = (select id from endpoints order by id offset 250 limit 1) for update`,
  )
  const program = fileURLToPath(new URL('../../src/cli/flo-gateway.ts', import.meta.url))
  const child = spawn(process.execPath, [program, 'keys', 'rotate'], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...compiled, ...environment(url, ring(K2, K1)) },
  })
  await eventually(async () => (await under('k2')) === 200)
  child.kill('SIGKILL')
  await once(child, 'close')
  await tx.query('rollback')
  tx.release()

  expect(await rotate(url, [K2, K1], '--check')).toMatchObject({ code: 1 })
  expect(await under('k1')).toBe(151)
  expect(await rotate(url, [K2, K1])).toMatchObject({ code: 0 })
  expect(await under('k2')).toBe(351)
})

describe('a gateway does not start', () => {
  const started = async (url: string, keys: string[]) => {
    const gateway = runGateway(folder, environment(url, ring(...keys)))
    return gateway.ended
  }

  test('without a key that it needs, and says which and what for', async () => {
    const { url } = await freshDatabase()
    const gateway = await startTestGateway({ DATABASE_URL: url, ...ring(K1) })
    const { newEndpoint } = await tryingClient(gateway.api)
    await newEndpoint({ url: 'https://example.com/', headers: { 'X-Team': 'a' } })
    await gateway.stop()

    const { code, stderr } = await started(url, [K2])
    expect(code).toBe(1)
    expect(stderr).toContain('"k1" is missing: 1 headers of endpoints, 1 signing secrets of endpoints')
    expect(stderr).not.toContain('    at ')
    const other = await started(url, [key('k1', 9)])
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('"k1" is not the key that it was')])
    expect((await rotate(url, [K2])).stderr).toContain('"k1" is missing')
  })

  test('with two keys of one id', async () => {
    const { url } = await freshDatabase()
    const { code, stderr } = await started(url, [K3, key('k3', 4)])
    expect([code, stderr]).toEqual([1, expect.stringContaining('two keys have the id k3')])
  })
})

test('headers that an earlier version left in plain text are encrypted at the next start, and still sent', async () => {
  const { url, db } = await freshDatabase()
  const first = await startTestGateway({ DATABASE_URL: url })
  const receiver = await startReceiver()
  const { newEndpoint } = await tryingClient(first.api)
  const { id, updatedAt } = await newEndpoint({ url: receiver.url })
  await first.stop()
  await db.query(`alter table endpoints disable trigger user`)
  await db.query(`update endpoints set headers = '{"X-Plain": "as it was"}' where id = $1`, [id])
  await db.query(`alter table endpoints enable trigger user`)

  const second = await startTestGateway({ DATABASE_URL: url })
  const { rows } = await db.query('select to_jsonb(e)::text as row from endpoints e where id = $1', [id])
  expect(rows[0].row).not.toContain('as it was')
  const { sent } = await tryingClient(second.api)
  expect(await sent(id)).toMatchObject({ state: 'delivered' })
  expect(present(receiver.requests.at(-1)).headers['x-plain']).toBe('as it was')
  const shown = (await call({ url: second.url, key: second.adminKey }, 'GET', `/v1/endpoints/${id}`)).body.data
  expect(shown).toMatchObject({ headers: { 'X-Plain': null }, updatedAt })
})
