import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openPool } from '../../src/database/db.ts'
import { runningPostgres } from '../../src/embedded-postgres/start.ts'
import { afterwards } from '../support/afterwards.ts'
import { endpointsOf } from '../support/endpoint-life.ts'
import { eventually } from '../support/eventually.ts'
import { fixture } from '../support/fixtures.ts'
import { temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { layWay } from '../support/way.ts'

test('what a process had noticed and not told when it was killed is told by the next one, once', async () => {
  const folder = await temporaryFolder()
  const killed = runGateway(folder, { FLO_HOLD_SECONDS: '0' })
  const url = await killed.listening()
  const key = present(killed.adminKey())
  const api = (method: string, path: string, body?: unknown) => call({ url, key }, method, path, body)
  const way = await layWay(api, (await startReceiver()).url)
  const db = openPool(present(await runningPostgres(join(folder, '.flo-gateway'))))
  afterwards(() => db.end())
  const listener = await startReceiver()
  await api('POST', '/v1/endpoints', { clientId: way.clientId, url: listener.url, contract: 'operations.v1' })
  const { newEndpoint, become, clientId } = await endpointsOf({ api, db })
  await api('POST', '/v1/endpoints', { clientId, url: listener.url, contract: 'operations.v1' })
  const down = await newEndpoint((await startReceiver({ status: 500 })).url, { retrySchedule: [] })

  // News is told one after another: the first waits for this, and all others behind it.
  const tx = await db.connect()
  await tx.query('begin')
  await tx.query('lock table alarms in exclusive mode')
  await way.post(url, JSON.stringify(fixture('invoice-unknown-status-2023')[0]))
  const blocked = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%into alarms%'`
  await eventually(async () => (await db.query(blocked)).rowCount === 1)
  await become('failed', (await down.send(12)).slice(0, 10))
  const noticed = `select from endpoint_news where state = 'new' and what in ('failing', 'exhausted')`
  await eventually(async () => (await db.query(noticed)).rowCount === 2)
  killed.child.kill('SIGKILL')
  await killed.ended
  await tx.query('rollback')
  tx.release()
  expect(listener.requests).toEqual([])

  const next = runGateway(folder, { FLO_HOLD_SECONDS: '0' })
  await next.listening()
  const look = () => db.query(`select graphile_worker.add_job('alarms')`)
  const told = () => listener.requests.map(({ body }) => JSON.parse(body).eventType).toSorted()
  await look()
  const all = ['delivery.exhausted', 'endpoint.failing', 'mapping.failed']
  await eventually(() => told().length === all.length)
  await look()
  await call({ url: await next.listening(), key }, 'POST', `/v1/endpoints/${down.id}/disable`)
  await eventually(() => told().includes('endpoint.disabled'))
  expect(told()).toEqual([...all, 'endpoint.disabled'].toSorted())
})
