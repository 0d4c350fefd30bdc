import { z } from 'zod'
import { firstRow } from '../../database/rows.ts'
import { idsInAccount, splitRealm } from '../../domain/realm.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, connectedAccount, id, pageQuery, replyTime, textUpTo } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { pinClient } from '../http/page-sql.ts'
import { listRoute, type Route, resourceRoute } from '../http/route.ts'
import { registerUser } from './register-user.ts'

const User = z
  .strictObject({
    id: id.meta({ description: "The Flo user's id: `user.id` in every event." }),
    clientId: id,
    clientUserId: z.string().nullable().meta({ description: 'null: found in an event and not registered yet.' }),
    email: z.string().nullable(),
    registered: z.boolean().meta({ description: 'true: registered with this API; false: found in an event.' }),
    stripeCustomerIds: z.array(z.string()),
    stripeCustomers: z
      .array(z.strictObject({ id: z.string(), account: z.string().nullable() }))
      .meta({ description: "The same, each with its connected account; null: the source's own account." }),
    createdAt: replyTime,
    updatedAt: replyTime,
  })
  .meta({ id: 'User', description: "One of the client's own customers." })

const stripeCustomerId = z
  .string()
  .regex(/^[A-Za-z0-9_]{1,255}$/, 'must be a Stripe id such as cus_1TKx2u')
  .meta({ example: 'cus_1TKx2u' })
const email = z
  .string()
  .max(320)
  .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address')
const params = { clientUserId: textUpTo(500) }

/** /v1/users: the client links Stripe customers to its own user ids, which events then carry. */
export const userRoutes = (deps: Pick<ApiDeps, 'keyRing' | 'onFactsArrived'>): Route[] => [
  resourceRoute('PUT /v1/users/{clientUserId}', {
    summary: 'Register or change a user',
    description:
      "Links the Stripe customer to the user; events that wait for this user continue. Fields that are left out do not change. The customer is one of the source's own account, or of the connected account `account`, in live and in test mode, or in the one that `livemode` names.",
    params,
    body: z.strictObject({
      clientId,
      email: email.nullable().optional(),
      stripeCustomerId: stripeCustomerId.optional(),
      account: connectedAccount.optional().meta({
        description: "The connected account of the customer. Left out: the source's own account.",
      }),
      livemode: z.boolean().optional().meta({ description: 'The mode of the customer. Left out: both.' }),
    }),
    reply: User,
    async answerCall({ db, clientId, params, body, afterCommit }) {
      const { clientId: _, ...registration } = body
      const { stripeCustomerId } = body
      const id = await registerUser({ tx: db, keyRing: deps.keyRing }, clientId, {
        ...registration,
        clientUserId: params.clientUserId,
      })
      if (stripeCustomerId !== undefined)
        afterCommit(() => deps.onFactsArrived(clientId, [`client_user_id:${stripeCustomerId}`]))
      const { rows } = await db.query<UserRow>(
        `select ${COLUMNS_OF_CLIENT} from users t where client_id = $1 and id = $2`,
        [clientId, id],
      )
      return { data: showUser(firstRow(rows)) }
    },
  }),
  listRoute('GET /v1/users', {
    summary: 'List users',
    query: z.strictObject({
      clientId,
      stripeCustomerId: stripeCustomerId.optional(),
      account: connectedAccount
        .optional()
        .meta({ description: "Of stripeCustomerId. Left out: the source's own account." }),
      ...pageQuery,
    }),
    reply: User,
    async answerCall(call) {
      const { stripeCustomerId, account = '' } = call.query
      const { data, meta } = await readPage<UserRow>(deps, call, {
        list: 'users',
        columns: COLUMNS,
        table: 'users',
        filters: {
          stripeCustomerId: [
            `t.id in (select uc.user_id from user_customers uc where uc.client_id = t.client_id and uc.customer_id = any(?))`,
            stripeCustomerId === undefined ? undefined : idsInAccount(account, stripeCustomerId),
          ],
        },
        // A user's id is derived from its names, so it says nothing about the time.
        keys: [
          ['t.created_at', 'timestamptz'],
          ['t.id', 'uuid'],
        ],
      })
      return { data: data.map(showUser), meta }
    },
  }),
  resourceRoute('GET /v1/users/{clientUserId}', {
    summary: 'Get a user',
    params,
    query: z.strictObject({ clientId }),
    reply: User,
    async answerCall({ db, clientId, params }) {
      const { rows } = await db.query<UserRow>(
        `select ${COLUMNS_OF_CLIENT} from users t where client_id = $1 and client_user_id = $2`,
        [clientId, params.clientUserId],
      )
      if (!rows[0]) throw new Refusal('not_found')
      return { data: showUser(rows[0]) }
    },
  }),
]

interface UserRow {
  id: string
  clientId: string
  clientUserId: string | null
  email: string | null
  registered: boolean
  /** Keys in accounts and modes. */
  customerKeys: string[]
  createdAt: Date
  updatedAt: Date
}

/** A row as the reply shows it: a customer of both modes once. */
function showUser({ customerKeys, createdAt, updatedAt, ...row }: UserRow) {
  const customers = new Map(
    customerKeys.map((key) => {
      const { account, id } = splitRealm(key)
      return [`${account} ${id}`, { id, account: account || null }] as const
    }),
  )
  const stripeCustomers = [...customers.values()]
  const stripeCustomerIds = [...new Set(stripeCustomers.map(({ id }) => id))].sort()
  return { ...row, stripeCustomerIds, stripeCustomers, createdAt, updatedAt }
}

const COLUMNS = `t.id, t.client_id as "clientId", t.client_user_id as "clientUserId", t.email, t.registered,
  array(select customer_id from user_customers uc where uc.client_id = t.client_id and uc.user_id = t.id
         order by customer_id) as "customerKeys",
  t.created_at as "createdAt", t.updated_at as "updatedAt"`
/** For a statement whose $1 is the client. */
const COLUMNS_OF_CLIENT = pinClient(COLUMNS, '$1::uuid')
