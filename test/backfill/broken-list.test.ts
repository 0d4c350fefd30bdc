import { expect, test } from 'vitest'
import { readWindow } from '../../src/backfill/windows.ts'
import type { Json } from '../../src/domain/json.ts'
import type { StripeApi } from '../../src/network/stripe-api.ts'

const event = (id: string, created: number) => ({ id, object: 'event', type: 'invoice.paid', created })

/** Reads the seconds from 0 to 100 of a Stripe that answers with these pages in turn, and with the last one for ever. */
async function readPages(...pages: { data: Json; has_more: boolean }[]) {
  const asked: string[] = []
  const stripe = {
    readObject: async (_: unknown, path: string) => {
      asked.push(path)
      return { kind: 'found', object: pages[Math.min(asked.length, pages.length) - 1] }
    },
  } as unknown as StripeApi
  const credentials = { apiKey: 'sk_test', apiVersion: null, account: '' }
  const query = { credentials, types: null, deliverySuccess: null }
  const read = await readWindow(stripe, query, { from: 0, to: 100 }, async () => {})
  return { read, asked }
}

test('an element of the list that is no event is kept to be refused, beside its neighbour, and stops nothing', async () => {
  const data = [null, event('evt_3', 50), { id: 'evt_2', object: 'event' }, 'text', event('evt_1', 10)]
  const { read } = await readPages({ data, has_more: false })
  const events = 'events' in Object(read) ? (read as { events: { created: number; bytes: Buffer }[] }).events : []
  expect(events.map(({ created }) => created)).toEqual([10, 50, 50, 50, 99])
  expect(events.map(({ bytes }) => JSON.parse(bytes.toString())).toReversed()).toEqual(data)
})

test('a page is followed from its last event that has an id', async () => {
  const { asked } = await readPages(
    { data: [event('evt_3', 50), null], has_more: true },
    { data: [event('evt_1', 10)], has_more: false },
  )
  expect(asked[1]).toContain('starting_after=evt_3')
  expect(asked).toHaveLength(2)
})

test.each([
  ['no id at all', [null, {}]],
  ['the same page again', [event('evt_1', 10)]],
])('a list that goes on after %s is refused, and not read for ever', async (_, data) => {
  const { read, asked } = await readPages({ data, has_more: true })
  expect(read).toMatchObject({ failure: { kind: 'refused', message: expect.stringContaining('could go on') } })
  expect(asked.length).toBeLessThan(3)
})
