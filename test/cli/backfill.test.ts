import { beforeEach, expect, test } from 'vitest'
import { startBackfill } from '../../src/backfill/start.ts'
import { backfillReportLines, backfillStatusLine } from '../../src/cli/backfill-text.ts'
import { inTransaction } from '../../src/database/db.ts'
import { runCommand } from '../support/command.ts'
import { emptyDatabase, freshDatabase } from '../support/database.ts'
import { snapshotEvent, subscriptionObject } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { hydratedWay } from '../support/hydrating.ts'
import { present } from '../support/present.ts'
import { startStripeApi } from '../support/stripe-api.ts'

const stripe = await startStripeApi()
const gateway = await startTestGateway({ FLO_STRIPE_API_BASE: stripe.url, LOG_LEVEL: 'error' })
const folder = await temporaryFolder()
const env = environment(gateway.databaseUrl)
const way = await hydratedWay(gateway)
beforeEach(() => {
  stripe.events.length = 0
})

const happened = (secondsAgo: number) => {
  const subscription = subscriptionObject({ metadata: { client_user_id: 'user_1' } })
  const created = Math.floor(Date.now() / 1000) - secondsAgo
  const event = JSON.parse(snapshotEvent('customer.subscription.created', subscription, { created }))
  stripe.events.push(event)
  return event
}

test('backfill watches until its end and says what was missing', async () => {
  await way.send(JSON.stringify(happened(7200)))
  happened(3600)
  const { code, stdout, stderr } = await runCommand(`backfill --source ${way.sourceId} --since 2d`, folder, env)
  expect([code, stderr]).toEqual([0, expect.stringContaining('goes on without this command')])
  expect(stdout).toMatch(/^customer\.subscription\.created +2 +1 +1 +0$/m)
  expect(stdout).toContain('1 of 2 events had not arrived and is received now.')

  const again = await runCommand(`backfill --source ${way.sourceId} --since 2d --failed-only`, folder, env)
  expect(again.stdout).toContain('Stripe lists no event of this time.')
  const id = present(present(/backfill --follow (\S+)/.exec(stderr))[1])
  expect((await runCommand(`backfill --follow ${id}`, folder, env)).stdout).toBe(stdout)
})

test('backfill says what to mend', async () => {
  const said = async (words: string) => {
    const { code, stderr } = await runCommand(`backfill ${words}`, folder, env)
    expect(code).toBe(2)
    return stderr
  }
  expect(await said('--since 2d')).toMatch('--source is missing')
  expect(await said(`--source ${way.sourceId}`)).toMatch('--since is missing: how far back to read, 30d at most.')
  expect(await said('--source nonsense --since 2d')).toMatch('No source has the id "nonsense".')
  expect(await said(`--source ${way.sourceId} --since 31d`)).toMatch(
    '--since is more than 30 days ago: Stripe keeps events for 30 days.',
  )
  expect(await said('--follow 01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11')).toMatch('There is no backfill')
  const { sourceId } = await hydratedWay(gateway, { apiKey: null })
  expect(await said(`--source ${sourceId} --since 2d`)).toMatch('This source has no API key')
  const wrong = await hydratedWay(gateway, { apiKey: 'rk_test_wrong' })
  expect(await said(`--source ${wrong.sourceId} --since 2d`)).toMatch(
    'It has failed: Stripe refuses the API key (401).',
  )
})

test('backfill without a gateway is noted down and does not wait', async () => {
  const { url, db } = await freshDatabase()
  const [clientId, sourceId] = ['01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11', '01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e12']
  await db.query('insert into clients (id, name) values ($1, $2)', [clientId, 'Acme'])
  await db.query(
    `insert into sources (id, client_id, kind, signing_secrets, api_key) values ($1, $2, 'stripe', '{x}', 'x')`,
    [sourceId, clientId],
  )
  const { code, stderr } = await runCommand(`backfill --source ${sourceId} --since 1h`, folder, environment(url))
  expect([code, stderr]).toEqual([0, expect.stringContaining('begins when one starts')])
  expect((await db.query('select state from backfills')).rows).toEqual([{ state: 'running' }])
  expect((await runCommand('backfill --help', folder, environment(await emptyDatabase()))).stdout).toMatch(
    '--failed-only',
  )
})

test('the line of a running backfill shows how far it is and fits the terminal', () => {
  const progress = {
    id: '',
    state: 'running' as const,
    since: new Date('2026-04-01T00:00:00Z'),
    until: new Date('2026-04-03T00:00:00Z'),
    readUntil: new Date('2026-04-02T00:00:00Z'),
    counts: { 'invoice.paid': { listed: 1200, known: 1190, new: 10, refused: 0 } },
    reason: 'Stripe has had too many requests (429).',
  }
  const line = backfillStatusLine(progress, 200)
  expect(line).toBe(
    `${'█'.repeat(12)}${'░'.repeat(12)}  50 %  2026-04-02T00:00:00Z  1200 listed, 10 new  waiting: Stripe has had too many requests (429).`,
  )
  expect(backfillStatusLine(progress, 60)).toHaveLength(59)
  expect(backfillReportLines({}).join()).toContain('no event')
})

test('of two that begin at once the later one says so', async () => {
  const idle = await startTestGateway({ FLO_ROLES: 'receive,api', FLO_STRIPE_API_BASE: stripe.url })
  const { clientId, sourceId } = await hydratedWay(idle)
  const { later } = await inTransaction(idle.db, async (tx) => {
    await startBackfill(tx, clientId, { sourceId, since: new Date(Date.now() - 3_600_000) }, new Date())
    const later = runCommand(`backfill --source ${sourceId} --since 2d`, folder, environment(idle.databaseUrl))
    const waits = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%into backfills%'`
    await eventually(async () => (await idle.db.query(waits)).rowCount === 1, { timeoutMs: 20_000 })
    return { later }
  })
  expect(await later).toMatchObject({ code: 2, stderr: expect.stringContaining('A backfill of this source runs') })
})
