// A client's endpoint that went away, and other trouble around it.

const at = '2026-06-06T12:00:00.000Z'
const since = '2026-06-06T11:52:30.000Z'
const client = { id: '0d6f3a52-7f0e-4c55-8a3a-3f1d5c6c8f10', name: 'Acme' }
const endpoint = {
  id: '5f0c8a9e-63d5-4e0b-9a75-2f4f8f0d9c11',
  url: 'https://acme.example/flo',
  contract: 'flo.v1',
  description: 'production',
  status: 'enabled',
  disabledReason: null,
  failingSince: since,
}
const source = { id: '7a3e9a44-0a5e-4c44-b9a0-6d2d9e1f7b12', name: 'Stripe, live' }

const resourcesByType: Readonly<Record<string, object>> = {
  'endpoint.disabled': { endpoint: { ...endpoint, status: 'disabled', disabledReason: 'gone', failingSince: null } },
  'endpoint.failing': { endpoint },
  'endpoint.recovered': { endpoint: { ...endpoint, failingSince: null } },
  'delivery.exhausted': {
    endpoint,
    delivery: {
      id: '9f6f8b54-8e2d-4f15-8c8a-d7b6d9f41a00',
      eventId: '2c1d7b0a-1c0f-4f5e-8d55-0c9b8a7f6e13',
      eventType: 'invoice.paid',
      attempts: 11,
    },
  },
  'source.signature_failing': { source, refusals: { count: 10, since, code: 'signature_invalid' } },
  'mapping.failed': {
    source,
    failure: {
      code: 'unmapped_value',
      message: 'invoice.status is "settled", which nobody has mapped yet',
      sourceEventId: '018f2d3c-9a10-7c3e-9d52-6b1f0c7a1e14',
      sourceEventType: 'invoice.updated',
    },
  },
  'source_event.stuck': {
    source,
    sourceEvent: { id: '018f2d3c-9a10-7c3e-9d52-6b1f0c7a1e14', type: 'invoice.updated', dueAt: since, seconds: 450 },
  },
  'source_event.unrouted': {
    source,
    failure: {
      code: 'route_unknown',
      message: 'No client is named so: "tenant_42" in the metadata of subscription sub_1TKx2u.',
      sourceEventId: '018f2d3c-9a10-7c3e-9d52-6b1f0c7a1e14',
      sourceEventType: 'customer.subscription.created',
    },
  },
  'backlog.growing': {
    backlog: { of: 'deliveries', oldestDueAt: since, oldestSeconds: 450, endpointId: endpoint.id },
  },
}

/** The body of an event type with believable values; docs, `event-types` and test events show it. */
export const operationsExample = (eventType: string): object => ({
  eventVersion: 'v1',
  eventType,
  occurredAt: at,
  client,
  ...resourcesByType[eventType],
})
