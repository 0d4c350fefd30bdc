import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { firstRow } from '../../database/rows.ts'
import { newId } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, connectedAccount, id, metadata, pageQuery, replyTime, textUpTo } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { listRoute, type Route, resourceRoute } from '../http/route.ts'
import { updateSet } from '../http/update-set.ts'
import {
  CheckoutItem,
  CheckoutSubscription,
  checkoutBody,
  newItem,
  newSubscription,
  stripeSessionId,
} from './checkout-schema.ts'

const Checkout = z
  .strictObject({
    id: id.meta({ description: 'Flo writes it as `flo_checkout_session` into the metadata of its Stripe objects.' }),
    clientId: id,
    stripeSessionId: z.string().nullable(),
    account: z
      .string()
      .nullable()
      .meta({ description: "The connected account of the session; null: the source's own account." }),
    clientUserId: z.string().nullable(),
    items: z.array(CheckoutItem),
    subscriptions: z.array(CheckoutSubscription),
    metadata,
    createdAt: replyTime,
  })
  .meta({
    id: 'Checkout',
    description: 'A checkout that the client has registered, so that what is bought has its uuids in advance.',
  })

const changedCheckoutBody = z.strictObject({
  stripeSessionId: stripeSessionId.optional(),
  account: connectedAccount.optional(),
  clientUserId: textUpTo(500).nullable().optional(),
  metadata: metadata.optional(),
})

/** /v1/checkouts/sessions: what a user is about to buy at Stripe, registered in advance so that its uuids are known. */
export const checkoutRoutes = (deps: Pick<ApiDeps, 'keyRing' | 'onFactsArrived' | 'loadAdoptedUuids'>): Route[] => [
  resourceRoute('POST /v1/checkouts/sessions', {
    summary: 'Register a checkout',
    description:
      'Do this before the user is sent to Stripe. Events about the purchase carry these uuids and this user; events that wait for the checkout continue.',
    body: checkoutBody,
    reply: Checkout,
    status: 201,
    async answerCall({ db, clientId, body, afterCommit }) {
      const identity = { id: body.id?.toLowerCase() ?? newId(), stripeSessionId: body.stripeSessionId ?? null }
      await assertUnregistered(db, clientId, identity)
      await db.query(
        `insert into checkouts (client_id, id, stripe_session_id, client_user_id, items, subscriptions, metadata, stripe_account)
         values ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [
          clientId,
          identity.id,
          identity.stripeSessionId,
          body.clientUserId ?? null,
          JSON.stringify(body.items.map(newItem)),
          JSON.stringify(body.subscriptions.map(newSubscription)),
          body.metadata ?? {},
          body.account ?? '',
        ],
      )
      afterCommit(() => deps.onFactsArrived(clientId, factsOf(identity)))
      return { data: await readCheckout(deps, db, clientId, identity.id) }
    },
  }),
  listRoute('GET /v1/checkouts/sessions', {
    summary: 'List registered checkouts',
    query: z.strictObject({
      clientId,
      stripeSessionId: stripeSessionId.optional(),
      clientUserId: textUpTo(500).optional(),
      ...pageQuery,
    }),
    reply: Checkout,
    async answerCall(call) {
      const { data, meta } = await readPage<CheckoutRow>(deps, call, {
        list: 'checkouts',
        columns: COLUMNS,
        table: 'checkouts',
        filters: {
          stripeSessionId: ['t.stripe_session_id = ?', call.query.stripeSessionId],
          clientUserId: ['t.client_user_id = ?', call.query.clientUserId],
        },
        // An id may be the client's own choice, so it says nothing about the time.
        keys: [
          ['t.created_at', 'timestamptz'],
          ['t.id', 'uuid'],
        ],
      })
      return { data: await showCheckouts(deps, call.db, data), meta }
    },
  }),
  resourceRoute('GET /v1/checkouts/sessions/{id}', {
    summary: 'Get a registered checkout',
    ids: { id: 'checkout' },
    reply: Checkout,
    answerCall: async ({ db, clientId, params }) => ({ data: await readCheckout(deps, db, clientId, params.id) }),
  }),
  resourceRoute('PATCH /v1/checkouts/sessions/{id}', {
    summary: 'Add the Stripe session of a checkout, or change its user or metadata',
    description:
      'For a checkout that was registered before Stripe had created its session. A session that is set cannot be changed.',
    ids: { id: 'checkout' },
    body: changedCheckoutBody,
    reply: Checkout,
    async answerCall({ db, clientId, params, body, afterCommit }) {
      await changeCheckout(db, clientId, await readCheckout(deps, db, clientId, params.id), body)
      const checkout = await readCheckout(deps, db, clientId, params.id)
      afterCommit(() => deps.onFactsArrived(clientId, factsOf(checkout)))
      return { data: checkout }
    },
  }),
]

const COLUMNS = `t.id, t.client_id as "clientId", t.stripe_session_id as "stripeSessionId",
  nullif(t.stripe_account, '') as account, t.client_user_id as "clientUserId",
  t.items, t.subscriptions, t.metadata, t.created_at as "createdAt"`

interface CheckoutRow {
  id: string
  clientId: string
  stripeSessionId: string | null
  account: string | null
  subscriptions: { uuid: string; id: string; metadata: object | null }[]
}
type CheckoutIdentity = Pick<CheckoutRow, 'id' | 'stripeSessionId'>

/** The rows with the uuids that events carry: a subscription that was emitted before its checkout was registered keeps its own. */
async function showCheckouts(
  { loadAdoptedUuids }: Pick<ApiDeps, 'loadAdoptedUuids'>,
  db: Queryable,
  rows: readonly CheckoutRow[],
) {
  const adoptedUuid = await loadAdoptedUuids(db, rows)
  return rows.map((row) => ({
    ...row,
    subscriptions: row.subscriptions.map((subscription) => {
      const uuid = adoptedUuid(row, subscription) ?? subscription.uuid
      return { ...subscription, uuid, adopted: uuid !== subscription.uuid }
    }),
  }))
}

async function readCheckout(deps: Pick<ApiDeps, 'loadAdoptedUuids'>, db: Queryable, clientId: string, id: string) {
  const { rows } = await db.query<CheckoutRow>(`select ${COLUMNS} from checkouts t where client_id = $1 and id = $2`, [
    clientId,
    id,
  ])
  return firstRow(await showCheckouts(deps, db, rows))
}

/** The facts that held events may wait for. */
const factsOf = ({ id, stripeSessionId }: CheckoutIdentity): string[] =>
  [id, stripeSessionId].flatMap((name) => (name === null ? [] : [`checkout:${name}`]))

async function changeCheckout(
  db: Queryable,
  clientId: string,
  { id, stripeSessionId: current }: CheckoutIdentity,
  body: z.infer<typeof changedCheckoutBody>,
): Promise<void> {
  const given = body.stripeSessionId
  if (given !== undefined && given !== current) {
    if (current !== null) throw conflictRefusal('stripeSessionId', `is already ${current}`)
    await assertUnregistered(db, clientId, { id: null, stripeSessionId: given })
  }
  const set = updateSet(
    {
      stripe_session_id: given,
      stripe_account: body.account,
      client_user_id: body.clientUserId,
      metadata: body.metadata,
    },
    3,
  )
  if (set)
    await db.query(`update checkouts set ${set.sql} where client_id = $1 and id = $2`, [clientId, id, ...set.values])
}

const conflictRefusal = (path: string, message: string) =>
  new Refusal('conflict', {
    message: 'This checkout is already registered, or registered differently: see details.',
    details: [{ path, code: 'conflict', message }],
  })

/** When two are registered at once, the unique constraint stops the later one, which tries again and is refused here. */
async function assertUnregistered(
  db: Queryable,
  clientId: string,
  { id, stripeSessionId }: { id: string | null; stripeSessionId: string | null },
) {
  const { rows } = await db.query<{ id: string }>(
    'select id from checkouts where client_id = $1 and (id = $2 or stripe_session_id = $3) order by id = $2 desc',
    [clientId, id, stripeSessionId],
  )
  const [registered] = rows
  if (!registered) return
  if (registered.id === id) throw conflictRefusal('id', 'is the id of a registered checkout')
  throw conflictRefusal('stripeSessionId', `belongs to the checkout ${registered.id}`)
}
