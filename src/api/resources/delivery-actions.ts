import type { ApiDeps } from '../http/api-deps.ts'
import { type Route, resourceRoute } from '../http/route.ts'
import { deliveryReply, readDelivery } from './deliveries.ts'

/** What can be done to one delivery: send it again, or cancel it. */
export const deliveryActionRoutes = (
  deps: Pick<ApiDeps, 'resendDelivery' | 'cancelDelivery' | 'wakes' | 'now'>,
): Route[] => [
  resourceRoute('POST /v1/deliveries/{id}/resend', {
    summary: 'Send a delivery again',
    description:
      "Creates a new delivery with its own id and the endpoint's full retry schedule; the old one is cancelled if it is still pending.",
    ids: { id: 'delivery' },
    reply: deliveryReply,
    status: 201,
    async answerCall({ db, clientId, params, afterCommit }) {
      const resent = await deps.resendDelivery(db, clientId, params.id)
      afterCommit(() => deps.wakes.deliver(clientId, [resent.endpointId], { reread: true }))
      return { data: await readDelivery(db, clientId, resent.id, deps.now()) }
    },
  }),
  resourceRoute('POST /v1/deliveries/{id}/cancel', {
    summary: 'Cancel a delivery that waits',
    description:
      'Nothing more is sent of it; one that is cancelled already stays as it is. An attempt that is under way may still arrive, and then counts as delivered. The event stays, and `resend` sends it after all.',
    ids: { id: 'delivery' },
    reply: deliveryReply,
    async answerCall({ db, clientId, params, afterCommit }) {
      const { endpointId } = await deps.cancelDelivery(db, clientId, params.id)
      afterCommit(() => deps.wakes.deliver(clientId, [endpointId], { reread: true }))
      return { data: await readDelivery(db, clientId, params.id, deps.now()) }
    },
  }),
]
