import type { Queryable } from '../../database/db.ts'
import { idOfWords, newId } from '../../domain/ids.ts'

interface UserRegistration {
  clientUserId: string
  /** undefined: as it was. */
  email?: string | null | undefined
  stripeCustomerId?: string | undefined
}

/**
 * Registers a user by the client's own id inside a transaction and links the Stripe customer; returns the Flo user's id.
 * A user met in an event of that customer, whom nobody has named yet, is the same person: it keeps its id and takes the
 * name. Otherwise the link moves to the user of that name. Rule: flo-v1.md, "How Stripe objects are linked".
 */
export async function registerUser(
  tx: Queryable,
  clientId: string,
  { clientUserId, email, stripeCustomerId }: UserRegistration,
): Promise<string> {
  if (stripeCustomerId !== undefined) await nameUserOfCustomer(tx, clientId, clientUserId, stripeCustomerId)
  // The id that the normaliser would choose too, so that both mean the same user; a nameless one of a Stripe customer may
  // have it already where a client's own ids look like Stripe's.
  const id = idOfWords('user', clientId, clientUserId)
  const { rowCount } = await tx.query('select 1 from users where client_id = $1 and id = $2', [clientId, id])
  const { rows } = await tx.query(
    `insert into users as u (client_id, id, client_user_id, email, registered) values ($1, $2, $3, $4, true)
     on conflict (client_id, client_user_id) do update
       set email = case when $5 then excluded.email else u.email end, registered = true, updated_at = excluded.updated_at
     returning id`,
    [clientId, rowCount === 0 ? id : newId(), clientUserId, email ?? null, email !== undefined],
  )
  if (stripeCustomerId !== undefined)
    await tx.query(
      `insert into user_customers (client_id, customer_id, user_id) values ($1, $2, $3)
       on conflict (client_id, customer_id) do update set user_id = excluded.user_id`,
      [clientId, stripeCustomerId, rows[0].id],
    )
  return rows[0].id
}

/** Gives the name to the customer's nameless user, if there is one and no other user has the name. */
async function nameUserOfCustomer(
  tx: Queryable,
  clientId: string,
  clientUserId: string,
  customerId: string,
): Promise<void> {
  await tx.query(
    `update users u set client_user_id = $2, registered = true, updated_at = now()
       from user_customers uc
      where uc.client_id = $1 and uc.customer_id = $3 and u.client_id = $1 and u.id = uc.user_id
        and u.client_user_id is null
        and not exists (select from users n where n.client_id = $1 and n.client_user_id = $2)`,
    [clientId, clientUserId, customerId],
  )
}
