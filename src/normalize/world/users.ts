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
  private readonly derivedIds = new Map<string, string>()
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
   * Who is behind a customer: a registered user first, then the user of the id that the event carries, then whoever was
   * linked earlier. Reading creates no user; see `settleUser`.
   */
  resolveUser(customer: string | null, clientUserId: string | null): User {
    const linked = customer === null ? undefined : this.byCustomer.get(customer)
    if (linked?.registered) return linked
    if (clientUserId === null) return linked ?? newUser(this.deriveId('customer', customer ?? ''), null)
    const known = this.byClientUserId.get(clientUserId)
    if (known) return known
    if (linked && linked.clientUserId === null) return { ...linked, clientUserId }
    return newUser(this.deriveId('user', clientUserId), clientUserId)
  }

  /** The id of a user whom only this name names; each of an event's readings asks for it. */
  private deriveId(kind: 'customer' | 'user', name: string): string {
    const words = `${kind} ${name}`
    const id = this.derivedIds.get(words) ?? idOfWords(kind, this.clientId, name)
    this.derivedIds.set(words, id)
    return id
  }

  /** Stores what `resolveUser` answered, so that the next event finds it. */
  settleUser(customer: string | null, clientUserId: string | null): User {
    const linked = customer === null ? undefined : this.byCustomer.get(customer)
    if (linked?.registered) return linked
    let settled = clientUserId === null ? linked : this.byClientUserId.get(clientUserId)
    if (!settled) {
      settled = linked && linked.clientUserId === null ? linked : this.resolveUser(customer, clientUserId)
      settled.clientUserId = clientUserId
      this.changed.add(settled)
      if (clientUserId !== null) this.byClientUserId.set(clientUserId, settled)
    }
    // One customer can stand for several users of the client: the first that was named stays the customer's.
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
