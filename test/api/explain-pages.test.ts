import { describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import type { Json } from '../../src/domain/json.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { explainSourceEvent } from '../../src/normalize/explain/explain.ts'
import { apiOn } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'
import { sessionObject, snapshotEvent } from '../support/events.ts'
import { cases } from '../support/fixtures.ts'
import { normalizeClient } from '../support/normalizing.ts'
import { present } from '../support/present.ts'
import { lanes, newSource } from '../support/storing.ts'

const { db } = await freshDatabase()
const api = apiOn(db)
const deps = { db, log: newLog('silent'), mappings, fanOut, now: () => new Date(), holdSeconds: 0 }
const MAX_BYTES = 1_000_000

/** What the API answers to each page in turn, until none follows. */
async function readPages(path: string, query: Record<string, string> = {}): Promise<Json[]> {
  const pages: Json[] = []
  let cursor: string | null = null
  do {
    const asked: URLSearchParams = new URLSearchParams({ ...query, ...(cursor !== null && { cursor }) })
    const { status, body } = await api.admin.get(`${path}?${asked}`)
    expect(status).toBe(200)
    pages.push(body)
    cursor = body.meta.nextCursor
  } while (cursor !== null)
  return pages
}

/** The events of the pages, with fields that were cut in two put together again. */
function joinEvents(pages: readonly Json[]): { name: string; fields: Json[] }[] {
  const events: { name: string; fields: Json[] }[] = []
  for (const { contract, key, fields } of pages.flatMap(({ data }) => data.events)) {
    const name = `${contract} ${key}`
    const last = events.at(-1)
    if (last?.name === name) last.fields.push(...fields)
    else events.push({ name, fields: [...fields] })
  }
  return events
}

const recordedInvoice = () =>
  structuredClone(
    present(
      cases
        .flatMap(([, events]) => events as Json[])
        .find(({ type, data }) => type === 'invoice.paid' && data.object.lines?.data.length > 0),
    ),
  )

function invoiceOfLines(count: number): Json {
  const event = recordedInvoice()
  const [line] = event.data.object.lines.data
  event.data.object.lines.data = Array.from({ length: count }, (_, at) => ({
    ...structuredClone(line),
    id: `il_${at}`,
    amount: 100 + at,
  }))
  return event
}

const sessionOfLines = (count: number): Json =>
  JSON.parse(
    snapshotEvent(
      'checkout.session.completed',
      sessionObject({
        customer: 'cus_1',
        line_items: {
          object: 'list',
          has_more: false,
          data: Array.from({ length: count }, (_, at) => ({
            id: `li_${at}`,
            object: 'item',
            amount_subtotal: 2000 + at,
            amount_total: 1800 + at,
            currency: 'usd',
            description: `Book ${at}`,
            quantity: 2,
            price: { id: `price_${at}`, object: 'price', product: `prod_${at}`, unit_amount: 1000, currency: 'usd' },
          })),
        },
      }),
    ),
  )

async function explained(event: Json) {
  const source = await newSource(db)
  const [id] = await source.store(event)
  while ((await normalizeClient(deps, source.clientId, lanes)).sourceEventCount > 0);
  return { source, id: present(id), path: `/v1/source-events/${id}/explain` }
}

describe('an explanation in pages', () => {
  test.each([
    ['a session of many lines, an event each', sessionOfLines(50)],
    ['an invoice of many lines', invoiceOfLines(400)],
  ])('tells all that the whole tells, and no page is longer than 1 MB: %s', async (_, event) => {
    const { source, id, path } = await explained(event)
    const whole = await explainSourceEvent(deps, source.clientId, id)
    const pages = await readPages(path, { clientId: source.clientId })
    expect(pages.length).toBeGreaterThan(1)
    for (const page of pages) expect(JSON.stringify(page).length).toBeLessThan(MAX_BYTES)
    const all = JSON.parse(JSON.stringify(whole.events)) as Json[]
    expect(joinEvents(pages)).toEqual(all.map(({ contract, key, fields }) => ({ name: `${contract} ${key}`, fields })))
    expect(pages.map(({ meta }) => meta.eventCount)).toEqual(pages.map(() => whole.events.length))
  })

  test('shows the fields of no more events than it was asked for', async () => {
    const { source, path } = await explained(sessionOfLines(30))
    const query = { clientId: source.clientId, limit: '7' }
    const pages = await readPages(path, query)
    expect(pages.map(({ data }) => data.events.length)).toEqual([7, 7, 7, 7, 2])
  })

  test('shows one event, by its id or its key, and one field with what stands below it', async () => {
    const { source, path } = await explained(sessionOfLines(30))
    const { clientId } = source
    const [, , third] = await source.events()
    const [byId] = await readPages(path, { clientId, event: third.id, field: 'item' })
    expect(byId.data.events).toMatchObject([{ stored: { id: third.id } }])
    const [{ key, fields }] = byId.data.events
    expect(fields.length).toBeGreaterThan(3)
    for (const { field } of fields) expect(field).toMatch(/^item\./)
    const [byKey] = await readPages(path, { clientId, event: key, field: 'item.total' })
    expect(byKey.data.events.map(({ fields }: Json) => fields.map(({ field }: Json) => field))).toEqual([
      ['item.total'],
    ])
    expect((await readPages(path, { clientId, event: 'none' }))[0].data.events).toEqual([])
  })

  test('refuses a cursor of another explanation or of other fields', async () => {
    const [one, other] = [await explained(sessionOfLines(30)), await explained(sessionOfLines(30))]
    const { body } = await api.admin.get(`${one.path}?clientId=${one.source.clientId}`)
    const cursor = present(body.meta.nextCursor)
    for (const path of [
      `${other.path}?clientId=${other.source.clientId}&cursor=${cursor}`,
      `${one.path}?clientId=${one.source.clientId}&field=item&cursor=${cursor}`,
    ])
      expect((await api.admin.get(path)).body.error.code).toBe('cursor_invalid')
  })

  test('is bounded where the event carries long texts and long lists', async () => {
    const event = sessionOfLines(40)
    event.data.object.metadata = Object.fromEntries(
      Array.from({ length: 50 }, (_, at) => [`k${at}`, 'x'.repeat(9_000)]),
    )
    event.data.object.client_reference_id = 'y'.repeat(200_000)
    const { source, path } = await explained(event)
    const pages = await readPages(path, { clientId: source.clientId, limit: '100' })
    for (const page of pages) expect(JSON.stringify(page).length).toBeLessThan(MAX_BYTES)
  })
})

test('an event of two lines with one business key is explained once, by the line that is sent', async () => {
  const { source, id } = await explained(invoiceOfLines(3))
  const { events } = await explainSourceEvent(deps, source.clientId, id)
  const names = events.map(({ contract, key }) => `${contract} ${key}`)
  expect(names).toEqual([...new Set(names)])
  for (const contract of ['flo.v1', 'florentin.v1'])
    expect(events.filter((one) => one.contract === contract && one.stored).length).toBe(
      (await source.events(contract)).length,
    )
  expect(events.flatMap(({ differs }) => differs)).toEqual([])
})

test('a dry run comes in pages as well', async () => {
  const source = await newSource(db)
  const sent = { clientId: source.clientId, sourceId: source.sourceId, event: sessionOfLines(30) }
  const first = await api.admin.post('/v1/mappings/dry-run', { ...sent, page: { limit: 18 } })
  expect(first.body.data.events).toHaveLength(18)
  const next = await api.admin.post('/v1/mappings/dry-run', {
    ...sent,
    page: { limit: 18, cursor: first.body.meta.nextCursor },
  })
  expect(next.body.data.events).toHaveLength(12)
  expect(next.body.meta).toEqual({ nextCursor: null, eventCount: 30 })
})
