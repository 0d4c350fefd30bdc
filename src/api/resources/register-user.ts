import type { Queryable } from '../../database/db.ts'
import { idOfWords, newId } from '../../domain/ids.ts'

interface UserRegistration {
  clientUserId: string
  /** undefined: unchanged. */
  email?: string | null | undefined
  stripeCustomerId?: string | undefined
}

/**
 * Registers a user by the client's own id inside a transaction and links the Stripe customer; returns the Flo user's id.
 * If an event of that customer has already created a user without a client's id, that user keeps its Flo id and gets this one.
 * Otherwise the customer is linked to the user with this id (docs/contracts/flo-v1.md 4).
 */
export async function registerUser(
  tx: Queryable,
  clientId: string,
  { clientUserId, email, stripeCustomerId }: UserRegistration,
): Promise<string> {
  if (stripeCustomerId !== undefined) await nameUserOfCustomer(tx, clientId, clientUserId, stripeCustomerId)
  // The normalizer derives the same id, so both mean the same user. A user without a client's id may already have it, if a
  // client's own ids look like Stripe's customer ids.
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

/** Gives the client's id to the customer's user if that has none, unless another user has the id. */
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
