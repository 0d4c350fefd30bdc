import { z } from 'zod'
import { type Contract, wireExample, wireSchemaOf } from '../contracts/contract.ts'

const JSON_SCHEMA = { target: 'draft-7' } as const
const refTo = (...path: string[]) => ({ $ref: `#/${path.join('/')}` })

/** The AsyncAPI 3.0 document of what endpoints receive: a channel for each contract, a message for each event type. */
export function asyncApiDocument(contracts: Readonly<Record<string, Contract>>, version: string) {
  const all = Object.values(contracts)
  const messages = all.flatMap((contract) =>
    contract.eventTypes.map((type) => [messageId(contract, type), messageObject(contract, type)]),
  )
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'flo-gateway webhooks',
      version,
      description: 'What the gateway sends to the endpoints of clients, for each contract that an endpoint can choose.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(all.map((contract) => [contract.name, channelObject(contract)])),
    operations: Object.fromEntries(all.map((contract) => [`send-${contract.name}`, operationObject(contract)])),
    components: { messages: Object.fromEntries(messages) },
  }
}

const messageId = ({ name }: Contract, eventType: string) => `${name}.${eventType}`

const channelObject = (contract: Contract) => ({
  address: null,
  title: contract.name,
  description: `The URL of an endpoint with the contract ${contract.name}.`,
  messages: Object.fromEntries(
    contract.eventTypes.map((type) => [type, refTo('components', 'messages', messageId(contract, type))]),
  ),
})

const operationObject = ({ name, eventTypes, retrySchedule }: Contract) => ({
  action: 'send',
  channel: refTo('channels', name),
  title: `Deliver an event of ${name}`,
  description: `One event per request, at least once, in no guaranteed order. Any 2xx accepts it; after anything else the gateway retries, ${retrySchedule.join(', ')} seconds later, unless the endpoint has a retry schedule of its own.`,
  bindings: { http: { method: 'POST', bindingVersion: '0.3.0' } },
  messages: eventTypes.map((type) => refTo('channels', name, 'messages', type)),
})

const messageObject = (contract: Contract, eventType: string) => ({
  name: eventType,
  title: eventType,
  contentType: 'application/json',
  headers: z.toJSONSchema(contract.wireHeaders, JSON_SCHEMA),
  payload: z.toJSONSchema(wireSchemaOf(contract, eventType), JSON_SCHEMA),
  examples: [{ payload: wireExample(contract, eventType) }],
})
