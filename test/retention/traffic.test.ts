import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ledgerAddsUp, readLedgerReport } from '../../src/cli/ledger-report.ts'
import { DAILY_TABLES } from '../../src/database/partitions.ts'
import { newLog } from '../../src/log.ts'
import { purgeExpired } from '../../src/retention/purge-expired.ts'
import { daysAgo, pastDay, toldAt } from '../support/aged.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const gateway = await startTestGateway()
const { db } = gateway
const receiver = await startReceiver()
const way = await layWay(gateway.api, receiver.url)
const KEPT = { payload: 30, metadata: 90, graceSeconds: 0 }
const deps = { db, log: newLog('silent'), now: () => new Date() }
const DAYS = Array.from({ length: 12 }, (_, at) => 95 + at)

/** Sends events from several sides until it is stopped; answers how many were accepted, and what was not. */
function traffic() {
  const seen = { accepted: 0, refused: [] as unknown[] }
  let stopped = false
  const senders = Array.from({ length: 6 }, async () => {
    while (!stopped) {
      const answer = await way.post(gateway.url, subscriptionCreated()).catch((error) => error)
      if (answer.status === 200) seen.accepted += 1
      else seen.refused.push(answer)
    }
  })
  return {
    seen,
    async stop() {
      stopped = true
      await Promise.all(senders)
    },
  }
}

test('days are dropped under traffic, and while something reads for long the traffic goes on and the day waits', async () => {
  for (const days of DAYS) {
    await pastDay(db, daysAgo(days))
    await toldAt(db, { ...way, at: daysAgo(days) })
  }
  const { seen, stop } = traffic()
  const arrived = () => receiver.requests.length
  await eventually(() => arrived() > 100)

  // As pg_dump does: every table is locked against being dropped until its end.
  const dump = await db.connect()
  await dump.query('begin')
  await dump.query(`lock table ${DAILY_TABLES.join(', ')} in access share mode`)
  const [acceptedBefore, arrivedBefore] = [seen.accepted, arrived()]
  expect((await purgeExpired(deps, KEPT)).partitions).toEqual([])
  // Had a drop waited for the dump, everybody else would have waited for the drop.
  await eventually(() => seen.accepted - acceptedBefore > 20)
  await eventually(() => arrived() - arrivedBefore > 20)
  await dump.query('commit')
  dump.release()

  const dropped: string[] = []
  await eventually(async () => {
    dropped.push(...(await purgeExpired(deps, KEPT)).partitions)
    return dropped.length === DAYS.length * DAILY_TABLES.length
  })
  await delay(100)
  await stop()
  expect(seen.refused).toEqual([])
  await eventually(() => new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size === seen.accepted)
  expect(receiver.requests).toHaveLength(seen.accepted)
  await eventually(async () => ledgerAddsUp(await readLedgerReport(db, { unsureSeconds: 0 })))
})
