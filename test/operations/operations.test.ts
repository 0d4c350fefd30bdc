import Stripe from 'stripe'
import { describe, expect, test } from 'vitest'
import { operations } from '../../src/contracts/operations.ts'
import { readStuckSourceEvents } from '../../src/database/backlog.ts'
import type { Db } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { createOperationsNotifier } from '../../src/operations/operations.ts'
import { registerWorker } from '../../src/workers/worker.ts'
import { freshDatabase } from '../support/database.ts'
import { endpointsOf, gatewayOnClock, handedClock } from '../support/endpoint-life.ts'
import { eventually } from '../support/eventually.ts'
import { fixture } from '../support/fixtures.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { claimUnitsOf } from '../support/units.ts'
import { layWay } from '../support/way.ts'

const clock = handedClock()
const gateway = await gatewayOnClock(clock, { FLO_HOLD_SECONDS: '0', FLO_BACKLOG_SECONDS: '120' })
const { api } = gateway
const log = newLog('silent')

/** An endpoint of operations.v1 with a receiver of its own; `heard` are the bodies that came, of one type or of all. */
async function listening(clientId: string, fields: object = {}) {
  const receiver = await startReceiver()
  const { body } = await api('POST', '/v1/endpoints', {
    ...{ clientId, url: receiver.url, contract: 'operations.v1' },
    ...fields,
  })
  expect(body.data).toMatchObject({ contract: 'operations.v1' })
  const heard = (type?: string): Json[] =>
    receiver.requests.map(({ body }) => JSON.parse(body)).filter(({ eventType }) => !type || eventType === type)
  return { ...receiver, id: body.data.id as string, secret: body.data.secret as string, heard }
}
const newClient = async (fields: object = {}): Promise<string> =>
  (await api('POST', '/v1/clients', { name: 'Acme', ...fields })).body.data.id
/** Has the minute's look taken now. */
const look = () => gateway.db.query(`select graphile_worker.add_job('alarms')`)
/** Waits until all that was told before has been delivered, told by a last event of its own. */
async function settled(clientId: string, listener: Awaited<ReturnType<typeof listening>>) {
  const mark = await startReceiver()
  const { body } = await api('POST', '/v1/endpoints', { clientId, url: mark.url })
  await api('POST', `/v1/endpoints/${body.data.id}/disable`)
  await eventually(() => listener.heard('endpoint.disabled').some(({ endpoint }) => endpoint.id === body.data.id))
}

const operator = await listening(await newClient({ name: 'Ops', isOperator: true }))

describe('endpoint.disabled', () => {
  test('reaches the client and the operator, signed as Flo signs, once for each change of state', async () => {
    const receiver = await startReceiver({ status: 410 })
    const way = await layWay(api, receiver.url)
    const own = await listening(way.clientId)
    await way.post(gateway.url, subscriptionCreated())
    for (const listener of [own, operator]) {
      const event = await eventually(() =>
        listener.heard('endpoint.disabled').find(({ endpoint }) => endpoint.id === way.endpointId),
      )
      expect(event).toMatchObject({
        eventVersion: 'v1',
        client: { id: way.clientId, name: 'Acme' },
        endpoint: { url: `${receiver.url}/`, contract: 'flo.v1', status: 'disabled', disabledReason: 'gone' },
      })
      expect(present(operations.wireSchemas['endpoint.disabled']).safeParse(event).error).toBeUndefined()
      const request = present(listener.requests.find(({ body }) => body.includes(event.eventId)))
      const signature = request.headers['flo-signature'] as string
      expect(Stripe.webhooks.constructEvent(request.bytes, signature, listener.secret)).toMatchObject(event)
      expect(request.headers['flo-event-type']).toBe('endpoint.disabled')
    }
    // The minute's look finds it disabled of late, and tells nothing twice.
    await look()
    await settled(way.clientId, own)
    expect(own.heard().filter(({ endpoint }) => endpoint.id === way.endpointId)).toHaveLength(1)

    await api('POST', `/v1/endpoints/${way.endpointId}/enable`)
    await api('POST', `/v1/endpoints/${way.endpointId}/disable`)
    const again = await eventually(() =>
      own
        .heard('endpoint.disabled')
        .find(({ endpoint }) => endpoint.disabledReason === 'manual' && endpoint.id === way.endpointId),
    )
    expect(again.eventId).not.toBe(own.heard('endpoint.disabled')[0].eventId)
  })

  test('is told by the minute’s look when the process that noticed died before it told', async () => {
    const clientId = await newClient()
    const own = await listening(clientId)
    const { body } = await api('POST', '/v1/endpoints', { clientId, url: own.url })
    await gateway.db.query(
      `update endpoints set status = 'disabled', disabled_reason = 'failing', disabled_at = now() where id = $1`,
      [body.data.id],
    )
    await look()
    await eventually(() => own.heard('endpoint.disabled').length === 1)
    expect(own.heard()[0]).toMatchObject({ endpoint: { id: body.data.id, disabledReason: 'failing' } })
  })

  test('is not told about endpoints that take operational events: the news must not make news', async () => {
    const clientId = await newClient()
    const [own, other] = [await listening(clientId), await listening(clientId)]
    await api('POST', `/v1/endpoints/${other.id}/disable`)
    await look()
    await settled(clientId, own)
    expect(own.heard().map(({ endpoint }) => endpoint.id)).not.toContain(other.id)
  })
})

describe('endpoint.failing and endpoint.recovered', () => {
  test('are told once each, when the breaker opens and when an attempt gets through again', async () => {
    const { clientId, newEndpoint, become } = await endpointsOf(gateway)
    const own = await listening(clientId)
    const receiver = await startReceiver({ status: 500 })
    const endpoint = await newEndpoint(receiver.url, { retrySchedule: [86_400], maxInFlight: 1 })
    const ids = await endpoint.send(14)
    const failing = await eventually(() => own.heard('endpoint.failing')[0])
    const { failingSince } = await endpoint.shown()
    expect(failing).toMatchObject({ endpoint: { id: endpoint.id, status: 'enabled', failingSince } })
    clock.forward({ seconds: 31 })
    await endpoint.test()
    await eventually(() => receiver.requests.length === 11)
    receiver.behave({})
    clock.forward({ seconds: 31 })
    const last = await endpoint.test()
    const recovered = await eventually(() => own.heard('endpoint.recovered')[0])
    expect(recovered).toMatchObject({ endpoint: { id: endpoint.id, failingSince: null } })
    await become('delivered', [last])
    await settled(clientId, own)
    expect(ids).toHaveLength(14)
    const types = own.heard().map(({ eventType }) => eventType)
    expect(types.filter((type) => type !== 'endpoint.disabled')).toEqual(['endpoint.failing', 'endpoint.recovered'])
  })
})

describe('delivery.exhausted', () => {
  test('is told for the first one of a row of failures, and again after a success', async () => {
    const { clientId, newEndpoint, become, delivery } = await endpointsOf(gateway)
    const own = await listening(clientId)
    const receiver = await startReceiver({ status: 500 })
    const endpoint = await newEndpoint(receiver.url, { retrySchedule: [] })
    const fail = async () => {
      const id = await endpoint.test()
      await become('failed', [id])
      return id
    }
    const first = await fail()
    await fail()
    await settled(clientId, own)
    expect(own.heard('delivery.exhausted')).toHaveLength(1)
    const [event] = own.heard('delivery.exhausted')
    const { eventId, eventType } = await delivery(first)
    expect(event.delivery).toEqual({ id: first, eventId, eventType, attempts: 1 })
    expect(event.endpoint).toMatchObject({ id: endpoint.id, failingSince: expect.any(String) })

    receiver.behave({})
    await become('delivered', [await endpoint.test()])
    receiver.behave({ status: 500 })
    const again = await fail()
    await eventually(() => own.heard('delivery.exhausted').length === 2)
    expect(own.heard('delivery.exhausted')[1].delivery.id).toBe(again)
  })

  test('of an endpoint whose state flutters is told twelve times an hour at most', async () => {
    const { clientId, newEndpoint, become } = await endpointsOf(gateway)
    const own = await listening(clientId)
    const receiver = await startReceiver((_, count) => ({ status: count % 2 ? 500 : 200 }))
    const endpoint = await newEndpoint(receiver.url, { retrySchedule: [] })
    for (let round = 0; round < 15; round += 1) {
      await become('failed', [await endpoint.test()])
      await become('delivered', [await endpoint.test()])
    }
    await settled(clientId, own)
    expect(own.heard('delivery.exhausted')).toHaveLength(12)
  })
})

describe('source.signature_failing', () => {
  test('is told after ten refusals in a row, and again only after a webhook was right', async () => {
    const receiver = await startReceiver()
    const way = await layWay(api, receiver.url)
    const own = await listening(way.clientId)
    const forge = (count: number) =>
      Promise.all(
        Array.from({ length: count }, () =>
          fetch(`${gateway.url}/webhooks/stripe/${way.sourceId}`, {
            method: 'POST',
            headers: { 'stripe-signature': `t=${Math.floor(Date.now() / 1000)},v1=${'0'.repeat(64)}` },
            body: subscriptionCreated(),
          }),
        ),
      )
    const failingSince = async () => (await api('GET', `/v1/sources/${way.sourceId}`)).body.data.signatureFailingSince
    await forge(9)
    expect((await way.post(gateway.url, subscriptionCreated())).status).toBe(200)
    await forge(9)
    expect(await failingSince()).toBeNull()
    await forge(1)
    const event = await eventually(() => own.heard('source.signature_failing')[0])
    expect(event).toMatchObject({ source: { id: way.sourceId }, refusals: { count: 10, code: 'signature_invalid' } })
    expect(await failingSince()).toBe(event.refusals.since)
    await forge(25)
    await settled(way.clientId, own)
    expect(own.heard('source.signature_failing')).toHaveLength(1)

    expect((await way.post(gateway.url, subscriptionCreated())).status).toBe(200)
    await eventually(async () => (await failingSince()) === null)
    await forge(10)
    await eventually(() => own.heard('source.signature_failing').length === 2)
  })
})

describe('mapping.failed', () => {
  test('is told once for each source and reason, with the first event that failed', async () => {
    const way = await layWay(api, (await startReceiver()).url)
    const own = await listening(way.clientId)
    const [invoice] = fixture('invoice-unknown-status-2023')
    const send = async (id: string) => {
      await way.post(gateway.url, JSON.stringify({ ...invoice, id }))
      const found = () => api('GET', `/v1/source-events?clientId=${way.clientId}&eventId=${id}`)
      return eventually(async () => (await found()).body.data.find(({ state }: Json) => state === 'failed'))
    }
    const first = await send('evt_1')
    const event = await eventually(() => own.heard('mapping.failed')[0])
    expect(event).toMatchObject({
      source: { id: way.sourceId },
      failure: {
        code: 'unmapped_value',
        message: first.reason.message,
        sourceEventId: first.id,
        sourceEventType: invoice.type,
      },
    })
    await send('evt_2')
    await settled(way.clientId, own)
    expect(own.heard('mapping.failed')).toHaveLength(1)
  })

  test.each([
    ['failed', 'unmapped_value'],
    ['normalized', 'lines_untold'],
  ])('is told by the minute’s look of one that is %s with %s, when nobody told of it', async (state, code) => {
    const way = await layWay(api, (await startReceiver()).url)
    const own = await listening(way.clientId)
    const id = newId()
    await gateway.db.query(
      `insert into source_events
         (client_id, id, source_id, event_id, type, lane, created_at, account, livemode, state, reason_code, due_at)
       values ($1, $2, $3, $4, 'invoice.paid', 0, now(), '', true, $5, $6, null)`,
      [way.clientId, id, way.sourceId, `evt_${id}`, state, code],
    )
    await look()
    const event = await eventually(() => own.heard('mapping.failed')[0])
    expect(event).toMatchObject({ failure: { code, sourceEventId: id } })
  })

  test('is told by one of several processes, and again when it had been quiet for an hour', async () => {
    const way = await layWay(api, (await startReceiver()).url)
    const own = await listening(way.clientId)
    const told: string[] = []
    const fail = async (sourceEventId: string) => {
      const teller = createOperationsNotifier({
        ...{ db: gateway.db, log, now: () => new Date(), fanOut, lanes: 4, backlogSeconds: 60 },
        onDeliveriesCreated: () => {},
        onEmitted: () => told.push(sourceEventId),
      })
      const failed = {
        clientId: way.clientId,
        id: sourceEventId,
        sourceId: way.sourceId,
        type: 'invoice.paid',
        receivedAt: new Date(),
      }
      const outcomes = [{ ...failed, state: 'failed', code: 'unmapped_value', message: 'unknown' }]
      const batch = { startedAt: 0, committedAt: 0, fanOut: null, events: [], outcomes }
      teller.watch.onBatchNormalized?.(batch)
      await teller.stop()
    }
    const [first, second, third, fourth] = [newId(), newId(), newId(), newId()]
    await Promise.all([fail(first), fail(second)])
    expect(told).toHaveLength(1)
    const quiet = (time: string) =>
      gateway.db.query(`update alarms set seen_at = now() - $2::interval where client_id = $1`, [way.clientId, time])
    await quiet('59 minutes')
    await fail(third)
    expect(told).toHaveLength(1)
    await quiet('61 minutes')
    await fail(fourth)
    expect(told).toHaveLength(2)
    expect(told[1]).toBe(fourth)
    await api('POST', `/v1/endpoints/${own.id}/disable`)
  })
})

describe('backlog.growing', () => {
  test('is told once while work waits past its time, and again when that was over', async () => {
    const way = await layWay(api, (await startReceiver()).url)
    const own = await listening(way.clientId)
    // Another process has the endpoint and the lanes, and does nothing.
    const idle = await registerWorker({ url: gateway.databaseUrl, db: gateway.db, log, roles: ['work'] })
    const lanes = ['lane:0', 'lane:1', 'lane:2', 'lane:3']
    expect((await claimUnitsOf(idle, way.clientId, lanes)).held.toSorted()).toEqual(lanes)
    await way.post(gateway.url, subscriptionCreated())
    await gateway.db.query(`update source_events set due_at = now() - interval '3 minutes' where client_id = $1`, [
      way.clientId,
    ])
    await look()
    const event = await eventually(() => own.heard('backlog.growing')[0])
    expect(event).toMatchObject({ client: { id: way.clientId }, backlog: { of: 'sourceEvents', endpointId: null } })
    expect(event.backlog.oldestSeconds).toBeGreaterThanOrEqual(180)
    await look()
    await settled(way.clientId, own)
    expect(own.heard('backlog.growing')).toHaveLength(1)
    await idle.stop()
    await eventually(async () =>
      (await way.deliveries()).some(({ endpointId, state }) => endpointId === way.endpointId && state === 'delivered'),
    )
    await eventually(async () => {
      await look()
      return (await gateway.db.query(`select from alarms where type = 'backlog.growing'`)).rowCount === 0
    })
  })
})

describe('source_event.stuck', () => {
  test('is sent once while a source event stays received and later ones get through, and the gauge counts it', async () => {
    const way = await layWay(api, (await startReceiver()).url)
    const own = await listening(way.clientId)
    const idle = await registerWorker({ url: gateway.databaseUrl, db: gateway.db, log, roles: ['work'] })
    await claimUnitsOf(idle, way.clientId, ['lane:0', 'lane:1', 'lane:2', 'lane:3'])
    await way.post(gateway.url, subscriptionCreated())
    await gateway.db.query(`update source_events set due_at = now() - interval '2 minutes' where client_id = $1`, [
      way.clientId,
    ])
    const other = await layWay(api, (await startReceiver()).url)
    await other.post(gateway.url, subscriptionCreated())
    await eventually(async () => (await readStuckSourceEvents(gateway.db, 4)).length === 1)
    const event = await eventually(async () => {
      await look()
      return own.heard('source_event.stuck')[0]
    })
    expect(event).toMatchObject({
      source: { id: way.sourceId },
      sourceEvent: { type: 'customer.subscription.created' },
    })
    await look()
    await settled(way.clientId, own)
    expect(own.heard('source_event.stuck')).toHaveLength(1)
    await idle.stop()
    await eventually(async () => {
      await look()
      return (await gateway.db.query(`select from alarms where type = 'source_event.stuck'`)).rowCount === 0
    })
  })
})

describe('what is stuck', () => {
  /** Source events of one client, straight in the table: seconds that each is overdue (null: done), and its lane. */
  const storeWaiting = async (db: Db, clientId: string, waiting: readonly WaitingRow[]) => {
    const sourceId = newId()
    for (const { overdue, lane = 0, state = overdue === null ? 'ignored' : 'received' } of waiting)
      await db.query(
        `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at, state, due_at,
                                    held_until, held_for, reason_code)
         values ($1, $2, $3, true, $2::uuid::text, 'invoice.paid', $4, now(), $5, now() - $6 * interval '1 second',
                 case when $5 = 'held' then now() end, case when $5 = 'held' then '{}'::text[] end,
                 case when $5 <> 'received' then 'x' end)`,
        [clientId, newId(), sourceId, lane, state, overdue],
      )
  }
  interface WaitingRow {
    overdue: number | null
    lane?: number
    state?: string
  }
  const done = { overdue: null }
  const fresh = Array.from({ length: 30 }, () => ({ overdue: 1 }))
  test.each<[string, WaitingRow[], number]>([
    ['behind thirty that have just come', [{ overdue: 90 }, done, ...fresh], 1],
    ['behind one that is held beyond its deadline', [{ overdue: 120, state: 'held' }, { overdue: 90 }, done], 2],
    ['in a lane that nobody knows', [{ overdue: 90, lane: 99 }, done], 1],
    ['several of one lane', [{ overdue: 90 }, { overdue: 91 }, { overdue: 92 }, done], 3],
    [
      'before hundreds that have just come',
      [{ overdue: 90 }, done, ...Array.from({ length: 600 }, () => ({ overdue: 1 }))],
      1,
    ],
    ['for less than a minute is not', [{ overdue: 30 }, done], 0],
    ['while nobody gets through is not', [{ overdue: 90 }, { overdue: 90 }, { overdue: 1 }], 0],
  ])('%s', async (_, waiting, count) => {
    const { db } = await freshDatabase()
    const clientId = newId()
    await db.query('insert into clients (id, name) values ($1, $2)', [clientId, 'Acme'])
    await storeWaiting(db, clientId, waiting)
    expect(await readStuckSourceEvents(db, 4)).toHaveLength(count)
  })
})

describe('operational events', () => {
  test('are events and deliveries like the others: listed, explained by their log, sent again, replayed', async () => {
    const clientId = await newClient()
    const own = await listening(clientId)
    const { body } = await api('POST', '/v1/endpoints', { clientId, url: own.url })
    await api('POST', `/v1/endpoints/${body.data.id}/disable`)
    await eventually(() => own.heard().length === 1)
    // The receiver has heard of it before the attempt is written down.
    await eventually(async () => {
      const { body: events } = await api('GET', `/v1/events?clientId=${clientId}&contract=operations.v1`)
      expect(events.data).toMatchObject([
        { eventType: 'endpoint.disabled', sourceEventId: null, deliveries: { delivered: 1 } },
      ])
      return true
    })
    const { body: listed } = await api('GET', `/v1/deliveries?clientId=${clientId}`)
    const [delivery] = listed.data
    expect(delivery).toMatchObject({ endpointId: own.id, state: 'delivered', attempts: 1, origin: 'fanout' })
    await api('POST', `/v1/deliveries/${delivery.id}/resend`)
    await eventually(() => own.heard().length === 2)
    const late = await listening(clientId)
    const { body: replay } = await api('POST', '/v1/replays', { clientId, endpointId: late.id, mode: 'missing' })
    await eventually(() => late.heard().length === 1)
    expect(late.heard()[0]).toEqual({ ...own.heard()[0], eventId: expect.any(String) })
    expect(replay.data.id).toBeDefined()
  })

  test('are not even stored for a client where nobody listens, and never reach another client', async () => {
    const [lonely, neighbour] = [await newClient(), await newClient()]
    const next = await listening(neighbour)
    const { body } = await api('POST', '/v1/endpoints', { clientId: lonely, url: next.url })
    await api('POST', `/v1/endpoints/${body.data.id}/disable`)
    await eventually(() => operator.heard().some(({ endpoint }) => endpoint?.id === body.data.id))
    await settled(neighbour, next)
    expect(next.heard().map(({ client }) => client.id)).toEqual([neighbour])
    expect((await api('GET', `/v1/events?clientId=${lonely}`)).body.data).toEqual([])
  })

  test('of a type that an endpoint does not ask for do not reach it, and examples of all of them can be sent', async () => {
    const clientId = await newClient()
    const own = await listening(clientId, { eventTypes: ['mapping.*'] })
    const { body } = await api('POST', '/v1/endpoints', { clientId, url: own.url })
    await api('POST', `/v1/endpoints/${body.data.id}/disable`)
    for (const eventType of operations.eventTypes)
      expect((await api('POST', `/v1/endpoints/${own.id}/test`, { eventType })).status).toBe(201)
    await eventually(() => own.heard().length === operations.eventTypes.length)
    for (const event of own.heard())
      expect(present(operations.wireSchemas[event.eventType]).safeParse(event).error).toBeUndefined()
    expect(own.heard('endpoint.disabled')).toHaveLength(1)
  })
})
