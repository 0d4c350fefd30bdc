import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { idTime, newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { diffClient } from '../../src/normalize/diff/diff.ts'
import type { SourceEventDifference } from '../../src/normalize/diff/differences.ts'
import { runCommand } from '../support/command.ts'
import { freshDatabase } from '../support/database.ts'
import { cases, fixture } from '../support/fixtures.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'
import { normalizeClient } from '../support/normalizing.ts'
import { present } from '../support/present.ts'
import { lanes, newSource } from '../support/storing.ts'
import { sampleCases } from '../support/thorough.ts'

const { url, db } = await freshDatabase()
const folder = await temporaryFolder()
type Source = Awaited<ReturnType<typeof newSource>>
const deps = { db, log: newLog('silent'), mappings, fanOut, now: () => new Date(), holdSeconds: 0 }

/** Receives and normalises events one after another; answers the ids of their source events. */
async function normalizeLive(source: Source, events: readonly Json[], holdSeconds = 0): Promise<string[]> {
  const ids: string[] = []
  for (const event of events) {
    await delay(2) // Windows are cut between milliseconds.
    const [id] = await source.store(event).catch(() => [])
    if (id) ids.push(id)
    while ((await normalizeClient({ ...deps, holdSeconds }, source.clientId, lanes)).sourceEventCount > 0);
  }
  return ids
}
async function runDiff(source: Source, { since = new Date(0), holdSeconds = 0, most = 1 } = {}) {
  const found: SourceEventDifference[] = []
  const totals = await diffClient(
    { db, mappings, holdSeconds, maxObjects: most },
    source.clientId,
    { since },
    { onDifference: (difference) => found.push(difference) },
  )
  return { found, ...totals }
}
const inTerminal = (source: Source, ...options: string[]) =>
  runCommand(
    ['mappings', 'diff', '--since', '1h', '--client', source.clientId, ...options],
    folder,
    environment(url, { FLO_HOLD_SECONDS: '0' }),
  )

describe('with the mappings that made the events', () => {
  test.each(sampleCases(cases, 4))(
    '%s: nothing would change, also when one looks from the middle on',
    async (_, events) => {
      const source = await newSource(db)
      const ids = await normalizeLive(source, events)
      const whole = await runDiff(source)
      expect(whole.found).toEqual([])
      expect(whole.examined).toBe(ids.length)
      const at = ids.length >> 1
      const { found, examined } = await runDiff(source, { since: idTime(present(ids[at])) })
      expect(examined).toBe(ids.length - at)
      // What lies before the window and is not kept may make a difference, and then it says so.
      expect(found.filter(({ unsure }) => unsure === null)).toEqual([])
    },
  )

  test('an event that waited and was released by its fact comes out alike', async () => {
    const source = await newSource(db)
    const { created, customer } = strangerEvents()
    await normalizeLive(source, [created, customer], 10)
    expect((await source.events())[0].body.user.clientUserId).toBe('user_late')
    expect((await runDiff(source, { holdSeconds: 10 })).found).toEqual([])
  })

  test('an event that waited in vain comes out alike, though its fact arrived later', async () => {
    const source = await newSource(db)
    const { created, customer } = strangerEvents()
    await normalizeLive(source, [created], 10)
    const later = { ...deps, holdSeconds: 10, now: () => new Date(Date.now() + 60_000) }
    await db.query('update source_events set due_at = now() where client_id = $1', [source.clientId])
    await normalizeClient(later, source.clientId, lanes)
    expect((await source.events())[0].body.user.clientUserId).toBeNull()
    const [id] = await normalizeLive(source, [customer], 10)
    await db.query(`update source_events set received_at = received_at + interval '60 s' where id = $1`, [id])
    expect((await runDiff(source, { holdSeconds: 10 })).found).toEqual([])
  })

  test('a user who was registered since makes a difference that the mappings did not make', async () => {
    const source = await newSource(db)
    const { created } = strangerEvents()
    await normalizeLive(source, [created])
    await delay(5)
    const { rows } = await db.query(
      `update users set client_user_id = 'user_9', registered = true, updated_at = now() where client_id = $1 returning id`,
      [source.clientId],
    )
    expect(rows).toHaveLength(1)
    const { found, events } = await runDiff(source)
    expect(found).toEqual([])
    expect(events).toMatchObject({ registeredSince: 1, changed: 0 })
  })
})

/** A subscription of a customer whose user is not known yet, and the customer that says so. */
function strangerEvents() {
  const created = fixture('renewal-of-known-subscription-clover').find(
    ({ type }) => type === 'customer.subscription.created',
  )
  Object.assign(created.data.object, { customer: 'cus_stranger', metadata: {} })
  const customer = {
    id: 'evt_customer',
    type: 'customer.updated',
    created: created.created + 1,
    data: { object: { id: 'cus_stranger', object: 'customer', metadata: { client_user_id: 'user_late' } } },
  }
  return { created, customer }
}

describe('with mappings that would make something else', () => {
  test('a field that would have another value is shown, old and new', async () => {
    const source = await newSource(db)
    await normalizeLive(source, fixture('renewal-of-known-subscription-clover'))
    await db.query(
      `update event_bodies b set body = replace(b.body, '"amount":29,', '"amount":2900,') from events e
        where b.client_id = $1 and e.client_id = $1 and e.id = b.event_id and e.type = 'subscription.renewed'`,
      [source.clientId],
    )
    const { found, events } = await runDiff(source)
    expect(found).toMatchObject([
      {
        sourceEvent: { eventId: 'evt_15eJc1BSDKi03', type: 'invoice.paid' },
        outcome: null,
        added: [],
        removed: [],
        changed: [
          {
            type: 'subscription.renewed',
            key: 'subscription.renewed:in_1KimB',
            fields: [{ field: 'subscription.amount', stored: 2900, now: 29 }],
          },
        ],
      },
    ])
    expect(events).toMatchObject({ changed: 1, added: 0, removed: 0, same: 3 })
  })

  test('an event that would be added, and one that would be removed', async () => {
    const source = await newSource(db)
    await normalizeLive(source, fixture('renewal-of-known-subscription-clover'))
    await db.query(
      `with gone as (delete from events where client_id = $1 and type = 'invoice.paid' returning key)
       delete from emissions where client_id = $1 and key in (select key from gone)`,
      [source.clientId],
    )
    await db.query(
      `with copied as (
         insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
         select client_id, $2, source_event_id, contract, 'item.purchased', replace(key, 'subscription.renewed', 'item.purchased'),
                occurred_at from events where client_id = $1 and type = 'subscription.renewed'
       )
       insert into event_bodies (client_id, event_id, body)
       select b.client_id, $2, b.body from events e join event_bodies b on b.client_id = e.client_id and b.event_id = e.id
        where e.client_id = $1 and e.type = 'subscription.renewed'`,
      [source.clientId, newId()],
    )
    const { found } = await runDiff(source)
    expect(found).toMatchObject([
      {
        added: [{ type: 'invoice.paid', body: { eventType: 'invoice.paid' } }],
        removed: [{ type: 'item.purchased', key: 'item.purchased:in_1KimB' }],
      },
    ])
  })

  test('an event that failed and would be mapped now', async () => {
    const source = await newSource(db)
    const [created] = fixture('subscription-created-with-trial-clover')
    const [id] = await normalizeLive(source, [created])
    await db.query(`update source_events set state = 'failed', reason_code = 'unmapped_value' where id = $1`, [id])
    await db.query('delete from events where client_id = $1', [source.clientId])
    await db.query('delete from emissions where client_id = $1', [source.clientId])
    const { found } = await runDiff(source)
    expect(found).toMatchObject([
      {
        outcome: { stored: 'failed (unmapped_value)', now: 'normalized' },
        added: [{ type: 'subscription.created' }, { type: 'subscription.purchased' }],
      },
    ])
  })

  test('an event that would fail now', async () => {
    const source = await newSource(db)
    const [created] = fixture('subscription-created-with-trial-clover')
    created.data.object.metadata = { client_user_id: 'user_1' }
    const [id] = await normalizeLive(source, [created])
    const broken = structuredClone(created)
    broken.data.object.status = 'on_the_moon'
    await db.query('update source_event_bodies set body = $2 where source_event_id = $1', [
      id,
      Buffer.from(JSON.stringify(broken)),
    ])
    expect((await runDiff(source)).found).toMatchObject([
      {
        outcome: { stored: 'normalized', now: 'failed (unmapped_value)' },
        removed: [{ type: 'subscription.created' }, { type: 'subscription.purchased' }],
      },
    ])
  })

  test('what waits, or has lost its bytes, is not compared', async () => {
    const source = await newSource(db)
    const { created } = strangerEvents()
    await normalizeLive(source, [created], 10)
    const [id] = await normalizeLive(source, fixture('invoice-voided-2020').slice(0, 1))
    await db.query('delete from source_event_bodies where source_event_id = $1', [id])
    expect(await runDiff(source)).toMatchObject({ found: [], examined: 1, withoutBody: 1 })
  })
})

describe('on the command line', () => {
  test('nothing that would change ends with 0', async () => {
    const source = await newSource(db)
    await normalizeLive(source, fixture('renewal-of-known-subscription-clover'))
    const { code, stdout } = await inTerminal(source)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^4 source events, received from .+: 4 events as they are\.\nNothing would change\.\n$/)
  })

  test('something that would change ends with 1, event by event, and writes nothing', async () => {
    const source = await newSource(db)
    await normalizeLive(source, fixture('renewal-of-known-subscription-clover'))
    await db.query(
      `update event_bodies set body = replace(body, '"state":"paid"', '"state":"open"') where client_id = $1`,
      [source.clientId],
    )
    const readEverything = async () =>
      (
        await db.query(
          `select (select count(*) from source_events) a, (select count(*) from events) b, (select count(*) from objects) c,
                  (select max(updated_at) from objects) d`,
        )
      ).rows
    const before = await readEverything()
    const { code, stdout } = await inTerminal(source)
    expect(code).toBe(1)
    expect(stdout).toMatch(/^invoice\.paid {2}evt_15eJc1BSDKi03 /m)
    expect(stdout).toMatch(/~ invoice\.paid {2}invoice\.paid:in_1KimB\n +invoice\.state +"open" → "paid"/)
    expect(stdout).toContain('1 source event would become something else: 0 events added, 0 removed, 2 changed.')
    expect(await readEverything()).toEqual(before)

    const json = JSON.parse((await inTerminal(source, '--json')).stdout)
    expect(json.differences[0].changed[0].fields[0]).toEqual({ field: 'invoice.state', stored: 'open', now: 'paid' })
    expect(json.summary).toMatchObject({ examined: 4, sourceEvents: 1, events: { same: 2, changed: 2 } })

    expect(await inTerminal(source, '--type', 'product.created')).toMatchObject({ code: 0 })
    expect((await inTerminal(source, '--until', '2020-01-01')).stderr).toContain('No source event was received')
  })

  test.each([
    [[], '--since is missing'],
    [['--since', '1h', '--limit', 'few'], '--limit needs a whole number'],
  ])('%s is refused', async (options, message) => {
    const { code, stderr } = await runCommand(['mappings', 'diff', ...options], folder, environment(url))
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})
