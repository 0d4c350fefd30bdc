import { expect, test } from 'vitest'
import { ledgerText, readLedgerReport } from '../../src/cli/ledger-report.ts'
import type { Db } from '../../src/database/db.ts'
import { newLog } from '../../src/log.ts'
import { runPass } from '../../src/retention/deletion/eraser.ts'
import { readDueDeletions } from '../../src/retention/deletion/open-deletions.ts'
import { apiOn, ring } from '../support/api.ts'
import { layOut, whereHeld } from '../support/erasing.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { signed } from '../support/stripe.ts'

/** A pool whose connections die at the statement of that number: what was not committed is gone. */
function dyingAt(db: Db, most: number): Db {
  let count = 0
  const counted = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(of, name) {
        const member = Reflect.get(of, name) as (this: T, ...given: unknown[]) => unknown
        if (name === 'query')
          return (...asked: unknown[]) => {
            count += 1
            if (count > most && asked[0] !== 'rollback') throw new Error('killed')
            return member.apply(of, asked)
          }
        if (name === 'connect') return async () => counted((await member.apply(of, [])) as object)
        return typeof member === 'function' ? member.bind(of) : member
      },
    })
  return counted(db)
}

const noPause = { isStopped: () => false, pause: async () => {} }

test.each(['client', 'source', 'user'] as const)(
  'the purge of a %s that is killed at any statement goes on where it was, and the ledger adds up meanwhile',
  async (kind) => {
    const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0' })
    const { db } = gateway
    const { clientId, sourceId, stories } = await layOut(gateway, [`killed${kind}`])
    const { customer, email, clientUserId } = present(stories[0])
    await gateway.stop()
    const path = { client: `clients/${clientId}`, source: `sources/${sourceId}`, user: `users/${clientUserId}` }[kind]
    const { body } = await apiOn(db).admin.delete(`/v1/${path}${kind === 'user' ? `?clientId=${clientId}` : ''}`)
    const deaths: number[] = []
    for (let most = 1; ; most += 3) {
      const [deletion] = await readDueDeletions(db, [clientId])
      if (!deletion) break
      const dying = dyingAt(db, most)
      await runPass(
        { db: dying, keyRing: ring, log: newLog('silent'), deletionGraceSeconds: 0 },
        deletion,
        noPause,
      ).catch(() => deaths.push(most))
      expect(ledgerText(await readLedgerReport(db, { unsureSeconds: 3600 }))).toContain('The ledger adds up.')
    }
    expect(deaths.length).toBeGreaterThan(3)
    const held = {
      client: [clientId, sourceId],
      source: [sourceId, `evt_killed${kind}`],
      user: [customer, email, clientUserId],
    }
    const left = await whereHeld(db, held[kind])
    // Leases of a process that has ended go with it.
    expect({ ...left, leases: 0 }).toEqual({ ...(kind === 'user' ? {} : { deletions: 1 }), leases: 0 })
    const { rows } = await db.query('select finished_at from deletions where id = $1', [body.data.id])
    expect(rows[0].finished_at).toBeInstanceOf(Date)
  },
)

test.each(['client', 'source', 'user', 'payload'] as const)(
  'what waits to be sent when a %s is deleted is never sent',
  async (kind) => {
    const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0' })
    const { api, db } = gateway
    const refusing = await startReceiver({ status: 500 })
    const { clientId, sourceId, endpointId, stories, post } = await layOut(gateway, [`unsent${kind}`])
    await api('PATCH', `/v1/endpoints/${endpointId}`, { url: refusing.url, retrySchedule: [1, 1, 1, 1, 1, 1, 1, 1] })
    const { clientUserId, events } = present(stories[0])
    for (const [at, event] of events.entries()) {
      const object = { ...event.data.object, id: `${event.data.object.id}x` }
      await post(gateway.url, JSON.stringify({ ...event, id: `evt_unsent_${at}`, data: { ...event.data, object } }))
    }
    const waiting = await eventually(async () => {
      const { body } = await api('GET', `/v1/deliveries?clientId=${clientId}&state=pending&limit=250`)
      return body.data.length > 0 && refusing.requests.length > 0 && body.data
    })
    const source = (await api('GET', `/v1/events/${waiting[0].eventId}`)).body.data.sourceEventId
    const deleted = await {
      client: () => api('DELETE', `/v1/clients/${clientId}`),
      source: () => api('DELETE', `/v1/sources/${sourceId}`),
      user: () => api('DELETE', `/v1/users/${clientUserId}?clientId=${clientId}`),
      payload: () => api('POST', `/v1/source-events/${source}/expunge`, { clientId: undefined }),
    }[kind]()
    expect(deleted.status).toBe(202)
    const ofIt = (id: string) =>
      kind !== 'payload' ||
      waiting.some((one: { id: string; eventId: string }) => one.id === id && one.eventId === waiting[0].eventId)
    const doomed: string[] = waiting.map(({ id }: { id: string }) => id).filter(ofIt)
    const startedBy = Date.now()
    // Each would have been tried again by now.
    await eventually(async () => {
      const { rows } = await db.query(
        `select 1 from deliveries where client_id = $1 and id = any($2) and state = 'pending'`,
        [clientId, doomed],
      )
      return rows.length === 0
    })
    const late = refusing.requests.filter(
      ({ at, body }) => at.getTime() > startedBy + 1_000 && doomed.includes(JSON.parse(body).eventId),
    )
    expect(late).toEqual([])
  },
)

test('a request that began before its source was deleted is refused when it is stored after', async () => {
  const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0' })
  const { sourceId } = await layOut(gateway, ['begun'])
  const body = JSON.stringify({ id: 'evt_begun', type: 'invoice.paid', created: 1, data: { object: { id: 'in_1' } } })
  // The source is looked up with the head; the body comes when it is gone.
  let sendBody = () => {}
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      sendBody = () => {
        controller.enqueue(new TextEncoder().encode(body.slice(1)))
        controller.close()
      }
      controller.enqueue(new TextEncoder().encode(body.slice(0, 1)))
    },
  })
  const answer = fetch(`${gateway.url}/webhooks/stripe/${sourceId}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'stripe-signature': signed(body, 'whsec_of_the_source'),
    },
    body: stream,
    duplex: 'half',
  } as RequestInit)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect((await gateway.api('DELETE', `/v1/sources/${sourceId}`)).status).toBe(202)
  sendBody()
  expect((await answer).status).toBe(404)
  const { rows } = await gateway.db.query(`select 1 from source_events where event_id = 'evt_begun'`)
  expect(rows).toEqual([])
})
