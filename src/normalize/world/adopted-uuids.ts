import type { Queryable } from '../../database/db.ts'
import type { Json } from '../../domain/json.ts'
import { idInRealm, idsInAccount, splitRealm } from '../../domain/realm.ts'
import { unpackSnapshot } from './snapshots.ts'

interface Checkout {
  clientId: string
  stripeSessionId: string | null
  account: string | null
  subscriptions: readonly { id: string }[]
}

/** The uuid that a registered subscription's events carry since before they knew the checkout; null where there is none. */
export type AdoptedUuidOf = (checkout: Checkout, subscription: { id: string }) => string | null

/**
 * Which of these checkouts' subscriptions have been sent, and with which uuid: it was chosen with the first event and
 * stays (docs/contracts/flo-v1.md), so a checkout that is linked later has to take it. The subscription of a session is that
 * of its plan, else the only one, as in mappings/flo/subscription.ts.
 */
export async function readAdoptedUuids(db: Queryable, checkouts: readonly Checkout[]): Promise<AdoptedUuidOf> {
  const byClient = Map.groupBy(
    checkouts.filter(({ stripeSessionId, subscriptions }) => stripeSessionId !== null && subscriptions.length > 0),
    ({ clientId }) => clientId,
  )
  const bySession = new Map<string, { uuid: string; plans: string[] }>()
  for (const [clientId, list] of byClient) {
    const sessions = await readSnapshots(
      db,
      clientId,
      'checkout.session',
      list.flatMap((checkout) => sessionKeysOf(checkout)),
    )
    // The subscription of a session is one of its account and mode.
    const bySubscription = new Map(
      sessions.flatMap(({ key, object }) => {
        const { id: _, ...realm } = splitRealm(key)
        const subscription = subscriptionOf(object)
        return subscription === null ? [] : [[idInRealm(realm, subscription), key] as const]
      }),
    )
    for (const { key, object, memory } of await readSnapshots(db, clientId, 'subscription', [
      ...bySubscription.keys(),
    ])) {
      const uuid = memory.uuids?.subscription
      const plans = (object.items?.data ?? []).flatMap((item: Json) => item.price?.id ?? item.plan?.id ?? [])
      if (uuid) bySession.set(`${clientId} ${bySubscription.get(key)}`, { uuid, plans })
    }
  }
  return (checkout, { id }) => {
    const { clientId, subscriptions } = checkout
    const found = sessionKeysOf(checkout)
      .map((key) => bySession.get(`${clientId} ${key}`))
      .find((one) => one !== undefined)
    if (!found) return null
    const ofPlan = subscriptions.find((one) => found.plans.includes(one.id))
    return (ofPlan ?? (subscriptions.length === 1 ? subscriptions[0] : undefined))?.id === id ? found.uuid : null
  }
}

/** The keys that a checkout's session may be stored by: those of its account. */
const sessionKeysOf = ({ stripeSessionId, account }: Checkout): string[] =>
  stripeSessionId === null ? [] : idsInAccount(account ?? '', stripeSessionId)

const subscriptionOf = ({ subscription }: Json): string | null =>
  typeof subscription === 'string' ? subscription : (subscription?.id ?? null)

async function readSnapshots(db: Queryable, clientId: string, kind: string, ids: readonly string[]) {
  if (ids.length === 0) return []
  const { rows } = await db.query(
    'select object_id as key, snapshot, memory from objects where client_id = $1 and kind = $2 and object_id = any($3)',
    [clientId, kind, ids],
  )
  return rows.map(({ key, snapshot, memory }) => ({ key, object: unpackSnapshot(snapshot).object, memory }))
}
