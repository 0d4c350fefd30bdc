import { idOfWords } from '../../domain/ids.ts'

/** A user of the client, known by its own id or by Stripe's customers alone. */
export interface Person {
  id: string
  clientUserId: string | null
  email: string | null
  /** Registered by the API, which outranks what events say. */
  registered: boolean
}

/** The users of a batch, by customer and by the client's own id; what changes is written at the end of the batch. */
export class People {
  readonly byCustomer = new Map<string, Person>()
  readonly byClientUserId = new Map<string, Person>()
  readonly byId = new Map<string, Person>()
  readonly changed = new Set<Person>()
  readonly linked = new Map<string, Person>()
  private readonly clientId: string
  constructor(clientId: string) {
    this.clientId = clientId
  }

  add(person: Person, customer: string | null) {
    const known = (person.clientUserId !== null && this.byClientUserId.get(person.clientUserId)) || person
    if (known.clientUserId !== null) this.byClientUserId.set(known.clientUserId, known)
    if (customer !== null) this.byCustomer.set(customer, known)
    this.byId.set(person.id, known)
  }

  /**
   * Who is behind a customer: a registered user first, then the user of the id that the event tells, then whoever was
   * linked earlier. Nobody is created by asking; see `settle`.
   */
  resolve(customer: string | null, told: string | null): Person {
    const linked = customer === null ? undefined : this.byCustomer.get(customer)
    if (linked?.registered) return linked
    if (told === null) return linked ?? person(idOfWords('customer', this.clientId, customer ?? ''), null)
    const known = this.byClientUserId.get(told)
    if (known) return known
    if (linked && linked.clientUserId === null) return { ...linked, clientUserId: told }
    return person(idOfWords('user', this.clientId, told), told)
  }

  /** Makes what `resolve` said so, so that the next event finds it; answers the person. */
  settle(customer: string | null, told: string | null): Person {
    const linked = customer === null ? undefined : this.byCustomer.get(customer)
    if (linked?.registered) return linked
    let settled = told === null ? linked : this.byClientUserId.get(told)
    if (!settled) {
      settled = linked && linked.clientUserId === null ? linked : this.resolve(customer, told)
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

const person = (id: string, clientUserId: string | null): Person => ({
  id,
  clientUserId,
  email: null,
  registered: false,
})
