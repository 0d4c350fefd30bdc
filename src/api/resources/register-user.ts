import type { Queryable } from '../../database/db.ts'
import { recallNames } from '../../database/forgotten.ts'
import { idOfWords, newId } from '../../domain/ids.ts'
import { idUnder, realmName } from '../../domain/realm.ts'
import type { KeyRing } from '../../secrets/keyring.ts'

interface UserRegistration {
  clientUserId: string
  /** undefined: unchanged. */
  email?: string | null | undefined
  stripeCustomerId?: string | undefined
  /** The connected account whose customer it is; undefined: the source's own. */
  account?: string | undefined
  /** undefined: the customer of this id in either mode. */
  livemode?: boolean | undefined
}

/**
 * Registers a user by the client's own id inside a transaction and links the Stripe customer; returns the Flo user's id.
 * If an event of that customer has already created a user without a client's id, that user keeps its Flo id and gets this one.
 * Otherwise the customer is linked to the user with this id (docs/contracts/flo-v1.md 4).
 */
export async function registerUser(
  { tx, keyRing }: { tx: Queryable; keyRing: Pick<KeyRing, 'decrypt'> },
  clientId: string,
  registration: UserRegistration,
): Promise<string> {
  const { clientUserId, email } = registration
  const customers = customersOf(registration)
  await recallNames(tx, keyRing, clientId, [
    { kind: 'clientUserId', name: clientUserId },
    ...customers.flatMap(({ key, id }) => [key, id].map((name) => ({ kind: 'customer' as const, name }))),
  ])
  // One after another: where they are several nameless users, the first gets the name.
  for (const customer of customers) await nameUserOfCustomer(tx, clientId, clientUserId, customer)
  // The normalizer derives the same id, so both mean the same user. A user without a client's id may already have it, if a
  // client's own ids look like Stripe's customer ids.
  const id = idOfWords('user', clientId, clientUserId)
  // One who was deleted and comes again is another: rows of the first may still be on their way out.
  const { rowCount } = await tx.query(
    `select 1 from users where client_id = $1 and id = $2
      union all select 1 from deletions where client_id = $1 and subject_id = $2 and kind = 'user'`,
    [clientId, id],
  )
  const { rows } = await tx.query(
    `insert into users as u (client_id, id, client_user_id, email, registered) values ($1, $2, $3, $4, true)
     on conflict (client_id, client_user_id) do update
       set email = case when $5 then excluded.email else u.email end, registered = true, updated_at = excluded.updated_at
     returning id`,
    [clientId, rowCount === 0 ? id : newId(), clientUserId, email ?? null, email !== undefined],
  )
  for (const { key, realm } of customers)
    await tx.query(
      // One that was linked to this user before accounts and modes were told apart stays so, for any of them.
      `insert into user_customers as l (client_id, customer_id, user_id, realm) values ($1, $2, $3, $4)
       on conflict (client_id, customer_id) do update
         set user_id = excluded.user_id, realm = case when l.user_id = excluded.user_id then l.realm else excluded.realm end`,
      [clientId, key, rows[0].id, realm],
    )
  return rows[0].id
}

/** A customer that is registered, by its key in an account and mode. */
interface RegisteredCustomer {
  id: string
  key: string
  realm: string
}

function customersOf({ stripeCustomerId: id, account, livemode }: UserRegistration): RegisteredCustomer[] {
  if (id === undefined) return []
  return (livemode === undefined ? [true, false] : [livemode]).map((mode) => {
    const realm = realmName({ account, livemode: mode })
    return { id, key: idUnder(realm, id), realm }
  })
}

/** Gives the client's id to the customer's user if that has none, unless another user has the id. */
async function nameUserOfCustomer(
  tx: Queryable,
  clientId: string,
  clientUserId: string,
  { id, key }: RegisteredCustomer,
): Promise<void> {
  await tx.query(
    `update users u set client_user_id = $2, registered = true, updated_at = now()
       from user_customers uc
      where uc.client_id = $1 and (uc.customer_id = $3 or uc.customer_id = $4 and uc.realm is null) and u.client_id = $1 and u.id = uc.user_id
        and u.client_user_id is null
        and not exists (select from users n where n.client_id = $1 and n.client_user_id = $2)`,
    [clientId, clientUserId, key, id],
  )
}
