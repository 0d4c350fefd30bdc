import { expect, test } from 'vitest'
import { ledgerText, readLedgerReport } from '../../src/cli/ledger-report.ts'
import { OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import { newLog } from '../../src/log.ts'
import { runPass } from '../../src/retention/deletion/eraser.ts'
import { readDueDeletions } from '../../src/retention/deletion/open-deletions.ts'
import { purgeExpired } from '../../src/retention/purge-expired.ts'
import { daysAgo, idAt } from '../support/aged.ts'
import { ring } from '../support/api.ts'
import { looked, whereHeld } from '../support/erasing.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { SECRET, stripeSignature } from '../support/receiving.ts'
import { readWhereabouts, routedEvent } from '../support/routed-source.ts'

const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0' })
const { api, db } = gateway

const make = async (path: string, body: object) => {
  const reply = await api('POST', path, body)
  expect(reply.status, JSON.stringify(reply.body)).toBe(201)
  return reply.body.data.id as string
}
const newSource = () => make('/v1/sources', { signingSecrets: [SECRET], routing: { by: 'metadata' } })
async function post(sourceId: string, event: object) {
  const body = JSON.stringify(event)
  const headers = { 'content-type': 'application/json', 'stripe-signature': stripeSignature(body) }
  const answer = await fetch(`${gateway.url}/webhooks/stripe/${sourceId}`, { method: 'POST', headers, body })
  expect(answer.status).toBe(200)
}
const customer = (id: string, name: string) =>
  routedEvent('customer.updated', { id, object: 'customer', metadata: { flo_client: name } })
const settled = (sourceId: string) =>
  eventually(async () => {
    const { rows } = await db.query(
      `select 1 from source_events where source_id = $1 and state in ('received', 'held') limit 1`,
      [sourceId],
    )
    return rows.length === 0
  })

/** Looks through all deletions of a client a last time. */
async function finish(clientId: string) {
  await db.query('update deletions set next_pass_at = now() where client_id = $1 and finished_at is null', [clientId])
  for (const deletion of await readDueDeletions(db, [clientId]))
    await runPass({ db, keyRing: ring, log: newLog('silent'), deletionGraceSeconds: 0 }, deletion, {
      isStopped: () => false,
      pause: async () => {},
    })
}
const ledger = async () => ledgerText(await readLedgerReport(db, { unsureSeconds: 3600 }))

test('a client that is deleted takes its routes, its routed events and what was known of its objects', async () => {
  const sourceId = await newSource()
  const gone = await make('/v1/clients', { name: 'Gone', externalId: 'external-gone' })
  const stays = await make('/v1/clients', { name: 'Stays', externalId: 'external-stays' })
  await api('PUT', `/v1/sources/${sourceId}/routes/route-gone`, { clientId: gone })
  await post(sourceId, customer('cus_gone_by_route', 'route-gone'))
  await post(sourceId, customer('cus_gone_by_external', 'external-gone'))
  await post(sourceId, customer('cus_gone_by_id', gone))
  await post(sourceId, customer('cus_stays', 'external-stays'))
  await settled(sourceId)
  expect((await readWhereabouts(db, sourceId)).map(({ clientId }) => clientId)).toEqual([gone, gone, gone, stays])

  const { status, body } = await api('DELETE', `/v1/clients/${gone}`)
  expect(status).toBe(202)
  await looked(db, body.data.id)
  await finish(gone)
  // Leases are what its workers let go of by themselves.
  const { leases, ...left } = await whereHeld(db, [gone, 'cus_gone', 'route-gone', 'external-gone'])
  expect(left).toEqual({ deletions: 1 })
  expect(await ledger()).toContain('The ledger adds up.')

  await post(sourceId, customer('cus_gone_by_route', 'route-gone'))
  await post(sourceId, customer('cus_stays', 'external-stays'))
  await settled(sourceId)
  expect((await readWhereabouts(db, sourceId)).map(({ clientId, routing }) => [clientId, routing])).toEqual([
    [stays, 'routed'],
    [OPERATOR_CLIENT, 'unrouted'],
    [stays, 'routed'],
  ])
})

test('a source that routes takes what it has sent with it, of every client', async () => {
  const [sourceId, other] = [await newSource(), await newSource()]
  const targets = [await make('/v1/clients', { name: 'One' }), await make('/v1/clients', { name: 'Two' })]
  for (const [at, target] of targets.entries()) {
    await post(sourceId, customer(`cus_ofsource_${at}`, target))
    await post(other, customer(`cus_ofother_${at}`, target))
  }
  await post(sourceId, customer('cus_ofsource_nobody', 'nobody'))
  await post(sourceId, routedEvent('product.created', { id: 'prod_ofsource', object: 'product' }))
  await settled(sourceId)
  await settled(other)
  const { status, body } = await api('DELETE', `/v1/sources/${sourceId}`)
  expect(status).toBe(202)
  await looked(db, body.data.id)
  for (const target of targets) {
    const { rows } = await db.query('select id from deletions where client_id = $1', [target])
    expect(rows).toHaveLength(1)
  }
  for (const clientId of [OPERATOR_CLIENT, ...targets]) await finish(clientId)
  const { deletions, ...left } = await whereHeld(db, [sourceId, 'cus_ofsource', 'prod_ofsource'])
  expect(left).toEqual({})
  expect(deletions).toBe(3)
  expect(await readWhereabouts(db, other)).toHaveLength(2)
  expect(await ledger()).toContain('The ledger adds up.')
})

test('what was routed is forgotten with its source event, what waits is not', async () => {
  const sourceId = await newSource()
  const target = await make('/v1/clients', { name: 'Old' })
  const ages = { routed: 100, unrouted: 100, waiting: 100, young: 10 }
  for (const [state, days] of Object.entries(ages))
    await db.query(
      `insert into routings (client_id, source_id, account, livemode, event_id, source_event_id, state, target_id, due_at)
       values ($1, $2, '', true, $3, $4, $5, $6, $7)`,
      [
        ...[OPERATOR_CLIENT, sourceId, `evt_${state}`, idAt(daysAgo(days)), state === 'young' ? 'routed' : state],
        ...[state === 'routed' || state === 'young' ? target : null, state === 'waiting' ? daysAgo(-1) : null],
      ],
    )
  await purgeExpired(
    { db, log: newLog('silent'), now: () => new Date() },
    { payload: 30, metadata: 90, graceSeconds: 0 },
  )
  const { rows } = await db.query('select event_id as id from routings where source_id = $1 order by event_id', [
    sourceId,
  ])
  expect(rows.map(({ id }) => id)).toEqual(['evt_waiting', 'evt_young'])
  await db.query('delete from routings where source_id = $1', [sourceId])
})
