import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { verifyDelivery } from '../../demo/verify.ts'
import { ledgerAddsUp, ledgerText, readLedgerReport } from '../../src/cli/ledger-report.ts'
import { flo } from '../../src/contracts/flo.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { layWay } from '../support/way.ts'

// A folder with stripe-events.jsonl: recorded events that are no part of this project.
const corpus = process.env.FLO_CORPUS
const SENDERS = 16

test.skipIf(!corpus)(
  'every recorded Stripe event goes through a running gateway (FLO_CORPUS)',
  async () => {
    const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '1' })
    const receiver = await startReceiver()
    const way = await layWay(gateway.api, receiver.url)
    const lines = readFileSync(`${corpus}/stripe-events.jsonl`, 'utf8').trim().split('\n')
    const bodies = lines.map((line, at) => JSON.stringify({ ...JSON.parse(line).event, id: `evt_line_${at}` }))

    const refused: unknown[] = []
    const waiting = bodies.toReversed()
    const sender = async () => {
      for (let body = waiting.pop(); body; body = waiting.pop()) {
        const { status, body: answer } = await way.post(gateway.url, body)
        if (status !== 200 || answer.duplicate) refused.push(answer)
      }
    }
    await Promise.all(Array.from({ length: SENDERS }, sender))
    expect(refused).toEqual([])

    const left = async (table: string, waits: string) =>
      (await gateway.db.query(`select 1 from ${table} where client_id = $1 and ${waits} limit 1`, [way.clientId]))
        .rowCount
    await eventually(async () => (await left('source_events', 'due_at is not null')) === 0, { timeoutMs: 60_000 })
    await eventually(async () => (await left('deliveries', `state = 'pending'`)) === 0, { timeoutMs: 60_000 })

    const { rows: failed } = await gateway.db.query(
      `select event_id, type, reason_code, reason_message from source_events where state = 'failed' and reason_code <> 'unmapped_value'`,
    )
    expect(failed).toEqual([])
    const wrong = receiver.requests.flatMap(({ bytes, body, headers }) => {
      const refusals = verifyDelivery(bytes, headers, way.secret).filter(({ refusal }) => refusal)
      const event = JSON.parse(body)
      const { error } = present(flo.wireSchemas[event.eventType]).safeParse(event)
      return refusals.length > 0 || error ? [{ refusals, issues: error?.issues, event }] : []
    })
    expect(wrong).toEqual([])

    const report = await readLedgerReport(gateway.db, { lateSeconds: 0, unsureSeconds: 0 })
    console.log(ledgerText(report))
    expect(ledgerAddsUp(report)).toBe(true)
    expect(receiver.requests).toHaveLength(present(present(report.counts.deliveries).delivered))
  },
  180_000,
)
