import { idOfWords } from '../../domain/ids.ts'

/** A user of the client, known by its own id or by Stripe's customers alone. */
export interface User {
  id: string
  clientUserId: string | null
  email: string | null
  /** Registered by the API, which outranks what events say. */
  registered: boolean
}

/** The users of a batch, by customer and by the client's own id; what changes is written at the end of the batch. */
export class Users {
  readonly byCustomer = new Map<string, User>()
  readonly byClientUserId = new Map<string, User>()
  readonly byId = new Map<string, User>()
  readonly changed = new Set<User>()
  readonly linked = new Map<string, User>()
  private readonly clientId: string
  constructor(clientId: string) {
    this.clientId = clientId
  }

  addUser(user: User, customer: string | null) {
    const known = (user.clientUserId !== null && this.byClientUserId.get(user.clientUserId)) || user
    if (known.clientUserId !== null) this.byClientUserId.set(known.clientUserId, known)
    if (customer !== null) this.byCustomer.set(customer, known)
    this.byId.set(user.id, known)
  }

  /**
   * Who is behind a customer: a registered user first, then the user of the id that the event tells, then whoever was
   * linked earlier. Nobody is created by asking; see `settle`.
   */
  resolveUser(customer: string | null, told: string | null): User {
    const linked = customer === null ? undefined : this.byCustomer.get(customer)
    if (linked?.registered) return linked
    if (told === null) return linked ?? newUser(idOfWords('customer', this.clientId, customer ?? ''), null)
    const known = this.byClientUserId.get(told)
    if (known) return known
    if (linked && linked.clientUserId === null) return { ...linked, clientUserId: told }
    return newUser(idOfWords('user', this.clientId, told), told)
  }

  /** Makes what `resolve` said so, so that the next event finds it; answers the user. */
  settleUser(customer: string | null, told: string | null): User {
    const linked = customer === null ? undefined : this.byCustomer.get(customer)
    if (linked?.registered) return linked
    let settled = told === null ? linked : this.byClientUserId.get(told)
    if (!settled) {
      settled = linked && linked.clientUserId === null ? linked : this.resolveUser(customer, told)
      settled.clientUserId = told
      this.changed.add(settled)
      if (told !== null) this.byClientUserId.set(told, settled)
    }
    // One customer can stand for several users of the client: the first that was told stays the customer's own.
    if (customer !== null && (!linked || (linked.clientUserId === null && linked !== settled))) {
      this.byCustomer.set(customer, settled)
      this.linked.set(customer, settled)
    }
    return settled
  }
}

const newUser = (id: string, clientUserId: string | null): User => ({
  id,
  clientUserId,
  email: null,
  registered: false,
})
