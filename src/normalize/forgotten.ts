import { userClaims } from '../../mappings/stored-objects.ts'
import type { ObjectKind } from '../language/mapping.ts'
import { readIfReadable } from '../language/read.ts'
import { isIdText } from '../language/unreadable.ts'
import { ignoredOutcome } from './outcomes.ts'
import type { SourceEvent, SourceEventOutcome } from './source-event.ts'
import type { EventObservation } from './source-events.ts'
import { bareInput } from './world/bare-input.ts'
import { customerIn, factsOf, type SourceRealm, type UserQuery, type World } from './world/world.ts'

/** The customers that an object names as its own, whether or not a mapping reads them. */
export function customersNamedBy({ object, objectId, kind }: EventObservation): string[] {
  const named = [object.customer?.id ?? object.customer, object.customer_account, kind === 'customer' ? objectId : null]
  return named.filter(isName)
}

/** The client's own ids that an object carries, wherever Stripe hands them on, whether or not a mapping reads them. */
export function clientUserIdsNamedBy({ object }: EventObservation): string[] {
  const details = [object.subscription_details, object.parent?.subscription_details]
  const named = [object, ...details].map((one) => one?.metadata?.client_user_id)
  return [...named, object.client_reference_id, object.user?.client_user_id].filter(isName)
}

const isName = (id: unknown): id is string => isIdText(id) && id !== ''

/** Whom the event's object says that it is about, before any mapping reads it. */
export function usersNamedBy(world: World, event: SourceEvent, observation: EventObservation): UserQuery[] {
  const [customers, ids] = [customersNamedBy(observation), clientUserIdsNamedBy(observation)]
  const claim = userClaims[observation.kind as ObjectKind]
  if (claim) {
    const input = bareInput(event, observation.object, factsOf(world, event))
    customers.push(...[readIfReadable(claim.customer, input)].filter(isName))
    ids.push(...[readIfReadable(claim.clientUserId, input)].filter(isName))
  }
  const orNone = (names: string[]) => (names.length > 0 ? names : [null])
  return orNone(customers).flatMap((customer) => orNone(ids).map((clientUserId) => ({ customer, clientUserId })))
}

/**
 * Whether one of these users was deleted, by its customer or by the client's own id. Whom the client has registered since is nobody
 * whom an event makes anew.
 */
export const areForgotten = ({ forgotten, users }: World, at: SourceRealm, queries: readonly UserQuery[]): boolean =>
  queries.some(({ customer, clientUserId }) => {
    const key = customerIn(at, customer)
    if (key !== null && users.byCustomer.get(key)?.registered) return false
    return (
      (key !== null && forgotten.customers.has(key)) ||
      (clientUserId !== null && forgotten.clientUserIds.has(clientUserId))
    )
  })

/** The code of a source event that is about somebody whom the client has deleted. */
export const USER_DELETED = 'user_deleted'

/** It is about somebody whom the client has deleted: nothing is made, remembered or kept of it. */
export const forgottenOutcome = (event: SourceEvent): SourceEventOutcome =>
  ignoredOutcome(
    event,
    USER_DELETED,
    'It is about a user who was deleted on request: nothing is made or kept of it until PUT /v1/users registers the user anew.',
  )
