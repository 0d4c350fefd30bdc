import { z } from 'zod'
import { contractNamed } from '../../contracts/contract.ts'
import { endEndpointDeliveries } from '../../database/end-endpoint-deliveries.ts'
import { ENDPOINT_CHANGED } from '../../database/endpoint-version.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { eventType } from '../http/field-schemas.ts'
import { type Route, resourceRoute } from '../http/route.ts'
import { deliveryReply, readDelivery } from './deliveries.ts'
import { forgetHealth } from './endpoint-health.ts'
import { endpointReply } from './endpoint-schema.ts'
import { readEndpoint } from './endpoints.ts'
import { storeTestEvent } from './store-test-event.ts'

/** /v1/endpoints/{id}/enable, /disable and /test. */
export const endpointStatusRoutes = ({
  contracts,
  keyRing,
  wakes,
  now,
  watch,
}: Pick<ApiDeps, 'contracts' | 'keyRing' | 'wakes' | 'now' | 'watch'>): Route[] => [
  resourceRoute('POST /v1/endpoints/{id}/enable', {
    summary: 'Enable an endpoint',
    description:
      'Events are delivered again from now on; deliveries that were skipped in the meantime can be replayed. Earlier failures no longer count.',
    ids: { id: 'endpoint' },
    reply: endpointReply,
    async answerCall({ db, clientId, params, afterCommit }) {
      const { rowCount } = await db.query(
        `update endpoints set status = 'enabled', disabled_reason = null, disabled_at = null, ${ENDPOINT_CHANGED}
          where client_id = $1 and id = $2 and status = 'disabled'`,
        [clientId, params.id],
      )
      if (rowCount === 1) await forgetHealth(db, clientId, params.id, { stillFailing: false })
      afterCommit(() => wakes.deliver(clientId, [params.id]))
      return { data: await readEndpoint({ db, keyRing }, clientId, params.id) }
    },
  }),
  resourceRoute('POST /v1/endpoints/{id}/disable', {
    summary: 'Disable an endpoint',
    description: 'Pending deliveries, and those of new events, become `skipped`; they can be replayed.',
    ids: { id: 'endpoint' },
    reply: endpointReply,
    async answerCall({ db, clientId, params, afterCommit }) {
      const { rowCount } = await db.query(
        `update endpoints set status = 'disabled', disabled_reason = 'manual', disabled_at = now(), ${ENDPOINT_CHANGED}
          where client_id = $1 and id = $2 and status = 'enabled'`,
        [clientId, params.id],
      )
      // The deliverer ends any that are left: more would hold their locks, and this request, for too long.
      await endEndpointDeliveries(db, clientId, params.id)
      afterCommit(() => {
        wakes.deliver(clientId, [params.id])
        if (rowCount === 1)
          watch?.onEndpointChanged?.({ clientId, endpointId: params.id, what: 'disabled', reason: 'manual' })
      })
      return { data: await readEndpoint({ db, keyRing }, clientId, params.id) }
    },
  }),
  resourceRoute('POST /v1/endpoints/{id}/test', {
    summary: 'Send a test event to an endpoint',
    description:
      "Delivers the contract's example of an event type to this endpoint only, even if its filter excludes the type.",
    ids: { id: 'endpoint' },
    body: z.strictObject({ eventType: eventType.optional() }),
    reply: deliveryReply,
    status: 201,
    async answerCall({ db, clientId, params, body, afterCommit }) {
      const endpoint = await readEndpoint({ db, keyRing }, clientId, params.id)
      if (endpoint.status === 'disabled') throw new Refusal('endpoint_disabled')
      const id = await storeTestEvent(db, clientId, {
        endpointId: params.id,
        contract: contractNamed(contracts, endpoint.contract),
        eventType: body.eventType,
        at: now(),
      })
      afterCommit(() => wakes.deliver(clientId, [params.id]))
      return { data: await readDelivery(db, clientId, id, now()) }
    },
  }),
]
