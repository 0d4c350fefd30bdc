import { beforeEach, describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { openClientGroups } from '../../src/database/client-groups.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { createNormalizer } from '../../src/normalize/lanes.ts'
import { LANES } from '../../src/receive/lane.ts'
import { registerWorker } from '../../src/workers/worker.ts'
import { afterwards } from '../support/afterwards.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { fireTimersOf, normalizeClient } from '../support/normalizing.ts'
import { lanes, newSource } from '../support/storing.ts'

const { url, db } = await freshDatabase()
const groups = await openClientGroups(db)
const log = newLog('silent')
const DAY = 86_400
const START = Date.UTC(2026, 3, 1) / 1000
const DUE = START + 7 * DAY

let source: Awaited<ReturnType<typeof newSource>>
let seconds: number
const deps = { db, log, mappings, fanOut, now: () => new Date(seconds * 1000), holdSeconds: 0 }
beforeEach(async () => {
  source = await newSource(db)
  seconds = START
})

let serial = 0
const invoiceEvent = (type: string, changes: Record<string, unknown> = {}, created = seconds) => {
  serial += 1
  return {
    id: `evt_${serial}`,
    type,
    created,
    data: {
      object: {
        id: 'in_1',
        object: 'invoice',
        customer: 'cus_1',
        status: 'open',
        currency: 'usd',
        amount_due: 2900,
        amount_paid: 0,
        amount_remaining: 2900,
        due_date: DUE,
        metadata: { client_user_id: 'user_1' },
        lines: { object: 'list', data: [] },
        ...changes,
      },
    },
  }
}
const paid = { status: 'paid', amount_paid: 2900, amount_remaining: 0 }

/** Normalises what is due at this moment, our own timers included. */
async function at(moment: number) {
  seconds = moment
  await fireTimersOf(deps, source.clientId, lanes)
  while ((await normalizeClient(deps, source.clientId, lanes)).sourceEventCount > 0);
}
const eventTypes = async () => (await source.events()).map(({ type }) => type)
const timers = async () =>
  (await db.query('select invoice_id, due_at from invoice_dues where client_id = $1', [source.clientId])).rows

describe('an open invoice with a due date', () => {
  test('is sent as overdue at that date, by our own timer, as the contract says it', async () => {
    await source.store(invoiceEvent('invoice.finalized'))
    await at(START)
    await at(DUE - 1)
    expect(await eventTypes()).toEqual(['invoice.updated'])
    await at(DUE)
    const [, overdue] = await source.events()
    expect(overdue).toMatchObject({ type: 'invoice.overdue', occurred_at: new Date(DUE * 1000) })
    expect(overdue.body.invoice).toMatchObject({ id: 'in_1', state: 'overdue', amountRemaining: 29 })
    expect(overdue.body.invoice.invoiceDetails).toMatchObject({
      gatewayEventType: 'invoice.overdue',
      gatewayEventId: null,
    })
    expect(overdue.body.user.clientUserId).toBe('user_1')
    expect(await timers()).toEqual([])
  })

  test('has a source event of its own for it, whose bytes say that our timer made it', async () => {
    await source.store(invoiceEvent('invoice.finalized'))
    await at(START)
    await at(DUE)
    const [, timer] = await source.states()
    expect(timer).toMatchObject({ event_id: 'overdue:in_1', type: 'invoice.overdue', state: 'normalized' })
    const { rows } = await db.query(
      'select body from source_event_bodies where client_id = $1 and source_event_id = $2',
      [source.clientId, timer.id],
    )
    expect(JSON.parse(rows[0].body)).toMatchObject({ object: 'flo.timer', data: { object: { id: 'in_1' } } })
  })

  test('stays overdue in the events after it, until it is paid', async () => {
    await source.store(invoiceEvent('invoice.finalized'))
    await at(START)
    await at(DUE)
    await source.store(invoiceEvent('invoice.payment_failed', { attempt_count: 1 }, DUE + 10))
    await at(DUE + 10)
    await source.store(invoiceEvent('invoice.paid', paid, DUE + 20))
    await at(DUE + 20)
    const states = (await source.events()).map(({ type, body }) => [type, body.invoice.state])
    expect(states.slice(1)).toEqual([
      ['invoice.overdue', 'overdue'],
      ['invoice.updated', 'overdue'],
      ['invoice.paid', 'paid'],
    ])
  })

  test.each([
    ['invoice.paid', paid],
    ['invoice.voided', { status: 'void' }],
    ['invoice.marked_uncollectible', { status: 'uncollectible' }],
  ])('is not overdue after %s', async (type, changes) => {
    await source.store(invoiceEvent('invoice.finalized'))
    await at(START)
    await source.store(invoiceEvent(type, changes, START + DAY))
    await at(START + DAY)
    await at(DUE)
    expect(await eventTypes()).not.toContain('invoice.overdue')
    expect(await timers()).toEqual([])
  })

  test('is not overdue when the payment is normalised between the timer and its event', async () => {
    await source.store(invoiceEvent('invoice.finalized'))
    await at(START)
    seconds = DUE
    await fireTimersOf(deps, source.clientId, lanes)
    // Stripe's `created` lies before the due date: within the batch the payment comes first.
    await source.store(invoiceEvent('invoice.paid', paid, DUE - 1))
    await at(DUE)
    expect(await eventTypes()).toEqual(['invoice.updated', 'invoice.paid'])
    expect(await source.states()).toMatchObject([{}, { state: 'ignored', reason_code: 'not_overdue' }, {}])
  })

  test('follows a due date that Stripe moves', async () => {
    await source.store(invoiceEvent('invoice.finalized'))
    await at(START)
    await source.store(invoiceEvent('invoice.updated', { due_date: DUE + 3 * DAY }, START + 1))
    await at(START + 1)
    await at(DUE)
    expect(await eventTypes()).not.toContain('invoice.overdue')
    await at(DUE + 3 * DAY)
    expect(await eventTypes()).toContain('invoice.overdue')
  })
})

describe("Stripe's own invoice.overdue and our timer", () => {
  const count = async () => (await eventTypes()).filter((type) => type === 'invoice.overdue').length

  test('make one event when Stripe is first', async () => {
    await source.store(invoiceEvent('invoice.finalized'))
    await at(START)
    await source.store(invoiceEvent('invoice.overdue', {}, DUE - 100))
    await at(DUE - 100)
    expect(await timers()).toEqual([])
    await at(DUE + DAY)
    expect(await count()).toBe(1)
  })

  test('make one event when our timer is first', async () => {
    await source.store(invoiceEvent('invoice.finalized'))
    await at(START)
    await at(DUE)
    await source.store(invoiceEvent('invoice.overdue', {}, DUE + 1))
    await at(DUE + 1)
    expect(await count()).toBe(1)
    expect((await source.states()).at(-1)).toMatchObject({ state: 'ignored', reason_code: 'already_emitted' })
    expect(await timers()).toEqual([])
  })

  test('make one event when both lie in one batch', async () => {
    await source.store(invoiceEvent('invoice.finalized'))
    await at(START)
    seconds = DUE
    await fireTimersOf(deps, source.clientId, lanes)
    await source.store(invoiceEvent('invoice.overdue', {}, DUE))
    await at(DUE)
    expect(await count()).toBe(1)
  })
})

test('an invoice that is due already when it is first seen waits an hour for its payment', async () => {
  seconds = DUE + DAY
  await source.store(invoiceEvent('invoice.finalized'))
  await at(DUE + DAY)
  await at(DUE + DAY + 3599)
  expect(await eventTypes()).not.toContain('invoice.overdue')
  await at(DUE + DAY + 3600)
  expect(await eventTypes()).toContain('invoice.overdue')
})

test.each([
  ['a draft', { status: 'draft' }],
  ['an invoice without a due date', { due_date: null }],
  ['an invoice of which nothing remains to be paid', { amount_remaining: 0 }],
  ['an invoice on a test clock', { test_clock: 'clock_1' }],
])('%s has no timer', async (_, changes) => {
  await source.store(invoiceEvent('invoice.updated', changes))
  await at(START)
  expect(await timers()).toEqual([])
})

test('an invoice of the time before invoices had a status is overdue as well', async () => {
  const old = { status: undefined, amount_remaining: undefined, amount_paid: undefined, paid: false, closed: false }
  await source.store(invoiceEvent('invoice.created', old))
  await at(START)
  await at(DUE)
  expect(await eventTypes()).toEqual(['invoice.created', 'invoice.overdue'])
})

test('a running normalizer finds what is due by itself', async () => {
  const worker = await registerWorker({ url, db, log, roles: ['work'] })
  const room = createNormalizer({
    ...deps,
    worker,
    groups,
    laneCount: LANES,
    onDeliveriesCreated: () => {},
    onLeasedElsewhere: () => {},
  })
  afterwards(async () => {
    await room.stop()
    await worker.stop()
  })
  await source.store(invoiceEvent('invoice.finalized'))
  room.wake(source.clientId)
  await eventually(async () => (await timers()).length === 1)
  seconds = DUE
  await room.sweep()
  await eventually(async () => (await eventTypes()).includes('invoice.overdue'))
})
