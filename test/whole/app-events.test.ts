import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ledgerAddsUp, readLedgerReport } from '../../src/cli/ledger-report.ts'
import { openPool } from '../../src/database/db.ts'
import { type AppEventType, appEvents } from '../../src/domain/app-events.ts'
import { runningPostgres } from '../../src/embedded-postgres/start.ts'
import { appEvent, BATCH, SINGLE } from '../support/app-events.ts'
import { runCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { call, runGateway } from '../support/program.ts'
import { sendUntilAnswered } from '../support/send-until-answered.ts'

const types = Object.keys(appEvents) as AppEventType[]
const about = (n: number) => appEvent(types[n % types.length], { clientUserId: `user_${n}` })

test('20,000 events in batches are all taken in, looked at and counted', async () => {
  const gateway = await startTestGateway()
  const clientId = (await gateway.api('POST', '/v1/clients', { name: 'Acme' })).body.data.id as string
  const key = (await gateway.api('POST', '/v1/api-keys', { clientId, scopes: ['write'] })).body.data.key as string
  const batches = Array.from({ length: 20 }, (_, batch) =>
    Array.from({ length: 1000 }, (_, n) => about(batch * 1000 + n)),
  )
  const sent = await Promise.all(batches.map((events) => call({ url: gateway.url, key }, 'POST', BATCH, { events })))
  expect(sent.map(({ status, body }) => [status, body.data.accepted])).toEqual(sent.map(() => [202, 1000]))
  const ids = sent.flatMap(({ body }) => body.data.sourceEvents.map(({ id }: { id: string }) => id))
  expect(new Set(ids).size).toBe(20_000)

  const states = async () =>
    (
      await gateway.db.query('select state, count(*) from source_events where client_id = $1 group by state', [
        clientId,
      ])
    ).rows
  await eventually(async () => (await states()).every(({ state }) => state === 'normalized' || state === 'ignored'), {
    timeoutMs: 120_000,
  })
  const report = await readLedgerReport(gateway.db)
  expect(report.findings.filter(({ wrong }) => wrong > 0)).toEqual([])
  expect(ledgerAddsUp(report)).toBe(true)
  expect((await states()).reduce((sum, { count }) => sum + count, 0)).toBe(20_000)
})

test('after kill -9 in the middle, what is sent again with its Idempotency-Key is there once', async () => {
  const folder = await temporaryFolder()
  const killed = runGateway(folder)
  const url = await killed.listening()
  const admin = present(killed.adminKey())
  const clientId = (await call({ url, key: admin }, 'POST', '/v1/clients', { name: 'Acme' })).body.data.id as string
  const key = (await call({ url, key: admin }, 'POST', '/v1/api-keys', { clientId, scopes: ['write'] })).body.data
    .key as string

  // Every third request is a batch of twenty; each event is about another user.
  const requests = Array.from({ length: 3000 }, (_, n) =>
    n % 3 === 0
      ? { key: `r${n}`, path: BATCH, body: { events: Array.from({ length: 20 }, (_, each) => about(n * 20 + each)) } }
      : { key: `r${n}`, path: SINGLE, body: about(100_000 + n) },
  )
  const total = requests.reduce((sum, { body }) => sum + ('events' in body ? body.events.length : 1), 0)
  const unanswered = [...requests]
  const answers = new Map<string, string>()
  const post = async (to: string, request: (typeof requests)[number]) => {
    const response = await fetch(`${to}${request.path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'idempotency-key': request.key,
      },
      body: JSON.stringify(request.body),
    })
    return { status: response.status, text: await response.text() }
  }
  const sendTo = (to: string) => async (request: (typeof requests)[number]) => {
    const { status, text } = await post(to, request)
    if (status === 202) answers.set(request.key, text)
    return status === 202
  }
  let dead = false
  const sending = sendUntilAnswered(unanswered, sendTo(url), () => dead)
  await eventually(() => unanswered.length < requests.length / 2, { timeoutMs: 120_000 })
  killed.child.kill('SIGKILL')
  await killed.ended
  dead = true
  await sending
  expect(unanswered.length).toBeGreaterThan(0)

  const next = runGateway(folder)
  const nextUrl = await next.listening()
  await sendUntilAnswered(unanswered, sendTo(nextUrl))
  expect(unanswered).toEqual([])
  // What had its answer before the kill gets it again.
  for (const request of requests.slice(-20)) expect((await post(nextUrl, request)).text).toBe(answers.get(request.key))

  const db = openPool(present(await runningPostgres(join(folder, '.flo-gateway'))))
  const done = `select count(*) as n from source_events where client_id = $1 and state in ('normalized', 'ignored')`
  await eventually(async () => (await db.query(done, [clientId])).rows[0].n === total, { timeoutMs: 120_000 })
  const { rows } = await db.query(
    `select count(*) as stored, count(distinct e.event_id) as ids,
            count(distinct convert_from(b.body, 'UTF8')::json #>> '{data,object,user,client_user_id}') as users
       from source_events e
       join source_event_bodies b on b.client_id = e.client_id and b.source_event_id = e.id
      where e.client_id = $1`,
    [clientId],
  )
  await db.end()
  expect(rows).toEqual([{ stored: total, ids: total, users: total }])
  expect(await runCommand('ledger', folder)).toMatchObject({ code: 0, stderr: '' })
})
