import { expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import type { Queryable } from '../../src/database/db.ts'
import { runAtOnce } from '../../src/language/strides.ts'
import { collectLookups } from '../../src/normalize/collect-lookups.ts'
import { lookUpAll } from '../../src/normalize/look-up.ts'
import type { SourceEvent } from '../../src/normalize/source-event.ts'
import { noLookups } from '../../src/normalize/world/lookups.ts'
import { emptyWorld } from '../../src/normalize/world/world.ts'

const CLIENT = '11111111-1111-4111-8111-111111111111'
const SOURCE = '22222222-2222-4222-8222-222222222222'

/** An event of a subscription that counts how often somebody reads its object. */
function countedEvent(name: string) {
  const counted = { reads: 0 }
  const object = {
    ...{ id: `sub_${name}`, object: 'subscription', customer: `cus_${name}`, status: 'active', metadata: {} },
    items: { data: [{ id: `si_${name}`, price: { id: `price_${name}`, product: `prod_${name}` }, quantity: 1 }] },
  }
  const data = {
    get object() {
      counted.reads += 1
      return object
    },
  }
  const event: SourceEvent = {
    ...{ id: `event ${name}`, sourceId: SOURCE, eventId: `evt_${name}`, type: 'customer.subscription.updated' },
    ...{ createdAt: new Date(1e12), receivedAt: new Date(1e12), body: { id: `evt_${name}`, data } },
  }
  return { event, counted }
}

/** A database that has these Stripe objects, and counts how often it is asked for any. */
function databaseWith(known: readonly string[]) {
  const asked = { objects: 0 }
  const query = async ({ name, values }: { name: string; values: unknown[] }) => {
    if (!name.startsWith('normalize.load_objects')) return { rows: [], rowCount: 0 }
    asked.objects += 1
    const ids = (values[2] as string[]).filter((id) => known.some((one) => id.endsWith(one)))
    const rows = ids.map((id) => ({
      ...{ client_id: CLIENT, source_id: SOURCE, object_id: id, realm: '', customer_id: null, memory: {} },
      ...{ kind: 'product', snapshot: { object: { id, object: 'product' }, tied: [], base: [] } },
    }))
    return { rows, rowCount: rows.length }
  }
  return { asked, db: { query } as unknown as Queryable }
}

/** How often an event's object is read by one look at it. */
function readsOfOneLook(): number {
  const { event, counted } = countedEvent('alone')
  runAtOnce(collectLookups({ world: emptyWorld(CLIENT), mappings }, event, noLookups()))
  return counted.reads
}

test('an event is looked at again where something was found that it reads, and no other event is', async () => {
  const [found, other] = [countedEvent('found'), countedEvent('other')]
  const { db, asked } = databaseWith(['prod_found'])
  const world = emptyWorld(CLIENT)
  await lookUpAll({ db, mappings }, [{ world, sourceEvents: [found.event, other.event] }])
  expect([...world.objects.values()].map(({ objectId }) => objectId)).toEqual(['prod_found'])
  expect(found.counted.reads).toBeGreaterThan(readsOfOneLook())
  expect(other.counted.reads).toBe(readsOfOneLook())
  expect(asked.objects).toBe(1)
})

test('events of which nothing is known are looked at once', async () => {
  const events = ['one', 'two'].map(countedEvent)
  const { db } = databaseWith([])
  await lookUpAll({ db, mappings }, [{ world: emptyWorld(CLIENT), sourceEvents: events.map(({ event }) => event) }])
  expect(events.map(({ counted }) => counted.reads)).toEqual([readsOfOneLook(), readsOfOneLook()])
})
