import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { newId } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import { clientId, id, metadata, pageQuery, replyTime, textUpTo } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { type ApiDeps, listRoute, type Route, route } from '../http/route.ts'
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
    id: id.meta({ description: 'What Flo writes as `flo_checkout_session` into the metadata of its Stripe objects.' }),
    clientId: id,
    stripeSessionId: z.string().nullable(),
    clientUserId: z.string().nullable(),
    items: z.array(CheckoutItem),
    subscriptions: z.array(CheckoutSubscription),
    metadata,
    createdAt: replyTime,
  })
  .meta({
    id: 'Checkout',
    description: 'A checkout that the client has registered: what is bought has its uuids beforehand.',
  })

const COLUMNS = `t.id, t.client_id as "clientId", t.stripe_session_id as "stripeSessionId", t.client_user_id as "clientUserId",
  t.items, t.subscriptions, t.metadata, t.created_at as "createdAt"`

interface CheckoutRow {
  id: string
  clientId: string
  stripeSessionId: string | null
  subscriptions: { uuid: string; id: string; metadata: object | null }[]
}

/** /v1/checkouts/sessions: what a user is sent to Stripe to buy, told before, so that its uuids are known. */
export function checkoutRoutes(deps: Pick<ApiDeps, 'keyRing' | 'onFactsArrived' | 'loadAdoptedUuids'>): Route[] {
  /** With the uuids that events carry: a subscription that was told before its checkout was registered keeps its own. */
  const showCheckouts = async (db: Queryable, rows: readonly CheckoutRow[]) => {
    const adopted = await deps.loadAdoptedUuids(db, rows)
    return rows.map((row) => ({
      ...row,
      subscriptions: row.subscriptions.map((one) => {
        const uuid = adopted(row, one)
        return { ...one, uuid: uuid ?? one.uuid, adopted: uuid !== null && uuid !== one.uuid }
      }),
    }))
  }
  const readCheckout = async (db: Queryable, clientId: string, id: string) => {
    const { rows } = await db.query<CheckoutRow>(
      `select ${COLUMNS} from checkouts t where client_id = $1 and id = $2`,
      [clientId, id],
    )
    return (await showCheckouts(db, rows))[0]!
  }
  const reportFacts = ({ id, clientId, stripeSessionId }: CheckoutRow) =>
    deps.onFactsArrived(
      clientId,
      [id, stripeSessionId].flatMap((one) => (one === null ? [] : [`checkout:${one}`])),
    )

  return [
    route('POST /v1/checkouts/sessions', {
      summary: 'Register a checkout',
      description:
        'Before the user is sent to Stripe. Events of what is bought then carry these uuids and this user; events that wait for it go on.',
      body: checkoutBody,
      reply: Checkout,
      status: 201,
      async answerCall({ db, clientId, body, afterCommit: after }) {
        const made = { id: body.id?.toLowerCase() ?? newId(), stripeSessionId: body.stripeSessionId ?? null }
        await assertUnregistered(db, clientId, made)
        await db.query(
          `insert into checkouts (client_id, id, stripe_session_id, client_user_id, items, subscriptions, metadata)
           values ($1, $2, $3, $4, $5, $6, $7)`,
          [
            clientId,
            made.id,
            made.stripeSessionId,
            body.clientUserId ?? null,
            JSON.stringify(body.items.map(newItem)),
            JSON.stringify(body.subscriptions.map(newSubscription)),
            body.metadata ?? {},
          ],
        )
        const checkout = await readCheckout(db, clientId, made.id)
        after(() => reportFacts(checkout))
        return { data: checkout }
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
        const { data, meta } = await readPage(deps, call, {
          list: 'checkouts',
          columns: COLUMNS,
          table: 'checkouts',
          filters: {
            stripeSessionId: ['t.stripe_session_id = ?', call.query.stripeSessionId],
            clientUserId: ['t.client_user_id = ?', call.query.clientUserId],
          },
          // An id may be the client's own choice: it says nothing of the time.
          keys: [
            ['t.created_at', 'timestamptz'],
            ['t.id', 'uuid'],
          ],
        })
        return { data: await showCheckouts(call.db, data as CheckoutRow[]), meta: meta ?? {} }
      },
    }),
    route('GET /v1/checkouts/sessions/{id}', {
      summary: 'Get a registered checkout',
      ids: { id: 'checkout' },
      reply: Checkout,
      answerCall: async ({ db, clientId, params }) => ({ data: await readCheckout(db, clientId, params.id!) }),
    }),
    route('PATCH /v1/checkouts/sessions/{id}', {
      summary: "Add Stripe's session, or change whose it is",
      description:
        'For a checkout that is registered before Stripe has made its session. The session stays once it is set.',
      ids: { id: 'checkout' },
      body: z.strictObject({
        stripeSessionId: stripeSessionId.optional(),
        clientUserId: textUpTo(500).nullable().optional(),
        metadata: metadata.optional(),
      }),
      reply: Checkout,
      async answerCall({ db, clientId, params, body, afterCommit: after }) {
        const { id, stripeSessionId: present } = await readCheckout(db, clientId, params.id!)
        const given = body.stripeSessionId
        if (given !== undefined && present !== null && given !== present)
          throw conflictRefusal('stripeSessionId', `is ${present} already`)
        if (given !== undefined && given !== present)
          await assertUnregistered(db, clientId, { id: null, stripeSessionId: given })
        const set = updateSet(
          { stripe_session_id: given, client_user_id: body.clientUserId, metadata: body.metadata },
          3,
        )
        if (set)
          await db.query(`update checkouts set ${set.sql} where client_id = $1 and id = $2`, [
            clientId,
            id,
            ...set.values,
          ])
        const checkout = await readCheckout(db, clientId, id)
        after(() => reportFacts(checkout))
        return { data: checkout }
      },
    }),
  ]
}

const conflictRefusal = (path: string, message: string) =>
  new Refusal('conflict', {
    message: 'This checkout is registered already, or differently: see details.',
    details: [{ path, code: 'conflict', message }],
  })

/** Two that are registered at once: the unique constraint stops the later one, which tries again and is refused here. */
async function assertUnregistered(
  db: Queryable,
  clientId: string,
  { id, stripeSessionId }: { id: string | null; stripeSessionId: string | null },
) {
  const { rows } = await db.query<{ id: string }>(
    'select id from checkouts where client_id = $1 and (id = $2 or stripe_session_id = $3) order by id = $2 desc',
    [clientId, id, stripeSessionId],
  )
  if (rows[0]?.id === id && rows[0]) throw conflictRefusal('id', 'is the id of a checkout that is registered')
  if (rows[0]) throw conflictRefusal('stripeSessionId', `belongs to the checkout ${rows[0].id}`)
}
