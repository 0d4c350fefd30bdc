import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { lookAtAllAgain } from '../../database/routing-news.ts'
import { OPERATOR_CLIENT } from '../../domain/ids.ts'
import { ROUTING_KEY, type Routing } from '../../domain/routing.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import type { Caller } from '../http/caller.ts'
import type { ApiCall } from '../http/route.ts'

const BY = ['account', 'metadata'] as const
type RoutedByName = (typeof BY)[number]

const by = z.enum(BY).meta({
  description:
    "`account`: the connected account of an event names the client, by a route. `metadata`: one Stripe account for all clients; the metadata of Stripe's objects name it. Both: events with an account go by that alone.",
})

/** How a source tells whose an event is, in a request. */
export const RoutingBody = z
  .strictObject({
    by: z.union([by, z.array(by).min(1).max(BY.length)]),
    key: z
      .string()
      .regex(
        /^[^[\]\p{C}]{1,40}$/u,
        'must be a key that metadata of Stripe can have: up to 40 characters without brackets',
      )
      .optional()
      .meta({ description: `The key of the metadata; \`${ROUTING_KEY}\` if left out.`, example: ROUTING_KEY }),
  })
  .refine((given) => given.key === undefined || listOf(given.by).includes('metadata'), {
    path: ['key'],
    error: 'is the key of the metadata, by which this source does not route: add metadata to `by`, or leave it out',
  })
  .meta({
    id: 'RoutingBody',
    description: 'One webhook for many clients: how the source tells whose an event is. See docs/routing.md.',
  })

interface RoutingGiven {
  by: RoutedByName | RoutedByName[]
  key?: string | undefined
}

/** The same in a reply. */
export const RoutingReply = z
  .strictObject({
    by: z.array(z.enum(BY)),
    key: z.string().nullable().meta({ description: 'The key of the metadata; null: metadata name no client.' }),
  })
  .nullable()
  .meta({ description: "How it tells whose an event is; null: all its events are its client's." })

const listOf = (given: RoutingGiven['by']): RoutedByName[] => (typeof given === 'string' ? [given] : given)

/** As the source keeps it. */
export function routingOf({ by, key }: RoutingGiven): Routing {
  const given = listOf(by)
  return { by: BY.filter((one) => given.includes(one)), ...(key !== undefined && { key }) }
}

export const showRouting = (routing: Routing | null) =>
  routing && { by: routing.by, key: routing.by.includes('metadata') ? (routing.key ?? ROUTING_KEY) : null }

/**
 * The client that a new source belongs to; null for one that routes its events, which is the operator's own. Throws `forbidden` for a
 * client's key that asks for routing, and `invalid` where client and routing are given together or neither is.
 */
export function assertMayRoute({
  caller,
  clientId,
  routing,
}: {
  caller: Pick<Caller, 'clientId'>
  clientId: string | null
  routing: RoutingGiven | undefined
}): string | null {
  if (routing && caller.clientId !== null) {
    const message = "is for operators' keys: such a source gives its events to several clients"
    throw new Refusal('forbidden', { details: [{ path: 'routing', code: 'forbidden', message }] })
  }
  if (routing && clientId !== null) {
    const message =
      'must be left out with `routing`: the source belongs to no client, and gives each event to the client whose it is'
    throw new Refusal('invalid', { details: [{ path: 'clientId', code: 'custom', message }] })
  }
  if (!routing && clientId === null) {
    const message = "is required with an operator's key, unless the source has `routing`"
    throw new Refusal('invalid', { details: [{ path: 'clientId', code: 'required', message }] })
  }
  return clientId
}

/** Throws `conflict` where the source belongs to a client: its events are that client's, and stay so. */
export function assertRoutes(owner: string, path: string): void {
  if (owner === OPERATOR_CLIENT) return
  const message = "is of a source that belongs to a client: to route, create a source of the operator's"
  throw new Refusal('conflict', { details: [{ path, code: 'conflict', message }] })
}

/** After its routing has changed all that waits, or is unrouted, is looked at again. */
export async function lookAtWaitingEvents(
  { db, wakes, afterCommit }: { db: Queryable; wakes: Pick<ApiDeps['wakes'], 'route'> } & Pick<ApiCall, 'afterCommit'>,
  source: { clientId: string; sourceId: string },
): Promise<void> {
  await lookAtAllAgain(db, source)
  afterCommit(() => wakes.route(source.clientId))
}
