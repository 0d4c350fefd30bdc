import { z } from 'zod'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, id, pageQuery, replyTime, textUpTo } from '../http/field-schemas.ts'
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
      'Links the Stripe customer to the user; events that wait for this user continue. Fields that are left out do not change.',
    params,
    body: z.strictObject({
      clientId,
      email: email.nullable().optional(),
      stripeCustomerId: stripeCustomerId.optional(),
    }),
    reply: User,
    async answerCall({ db, clientId, params, body, afterCommit }) {
      const { email, stripeCustomerId } = body
      const id = await registerUser(db, clientId, { clientUserId: params.clientUserId, email, stripeCustomerId })
      if (stripeCustomerId !== undefined)
        afterCommit(() => deps.onFactsArrived(clientId, [`client_user_id:${stripeCustomerId}`]))
      const { rows } = await db.query(`select ${COLUMNS_OF_CLIENT} from users t where client_id = $1 and id = $2`, [
        clientId,
        id,
      ])
      return { data: rows[0] }
    },
  }),
  listRoute('GET /v1/users', {
    summary: 'List users',
    query: z.strictObject({ clientId, stripeCustomerId: stripeCustomerId.optional(), ...pageQuery }),
    reply: User,
    answerCall: (call) =>
      readPage(deps, call, {
        list: 'users',
        columns: COLUMNS,
        table: 'users',
        filters: {
          stripeCustomerId: [
            `t.id in (select uc.user_id from user_customers uc where uc.client_id = t.client_id and uc.customer_id = ?)`,
            call.query.stripeCustomerId,
          ],
        },
        // A user's id is derived from its names, so it says nothing about the time.
        keys: [
          ['t.created_at', 'timestamptz'],
          ['t.id', 'uuid'],
        ],
      }),
  }),
  resourceRoute('GET /v1/users/{clientUserId}', {
    summary: 'Get a user',
    params,
    query: z.strictObject({ clientId }),
    reply: User,
    async answerCall({ db, clientId, params }) {
      const { rows } = await db.query(
        `select ${COLUMNS_OF_CLIENT} from users t where client_id = $1 and client_user_id = $2`,
        [clientId, params.clientUserId],
      )
      if (!rows[0]) throw new Refusal('not_found')
      return { data: rows[0] }
    },
  }),
]

const COLUMNS = `t.id, t.client_id as "clientId", t.client_user_id as "clientUserId", t.email, t.registered,
  array(select customer_id from user_customers uc where uc.client_id = t.client_id and uc.user_id = t.id
         order by customer_id) as "stripeCustomerIds",
  t.created_at as "createdAt", t.updated_at as "updatedAt"`
/** For a statement whose $1 is the client. */
const COLUMNS_OF_CLIENT = pinClient(COLUMNS, '$1::uuid')
