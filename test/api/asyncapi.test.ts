import { Parser } from '@asyncapi/parser'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { contracts } from '../../mappings/index.ts'
import { wireExample, wireSchemaOf } from '../../src/contracts/contract.ts'
import { startTestGateway } from '../support/gateway.ts'

const gateway = await startTestGateway({ FLO_ROLES: 'api' })
const text = await (await fetch(`${gateway.url}/asyncapi.json`)).text()

describe('/asyncapi.json', () => {
  test('is a valid AsyncAPI 3 document to the official parser, without a complaint', async () => {
    const { document, diagnostics } = await new Parser().parse(text)
    // It recommends 3.1; 3.0 is what most tools read.
    expect(diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version')).toEqual([])
    expect(document?.version()).toBe('3.0.0')
    expect(
      document
        ?.channels()
        .all()
        .map((channel) => channel.id()),
    ).toEqual(Object.keys(contracts))
  })

  test('tells every event type of every contract, with an example that its own schema takes', async () => {
    const { document } = await new Parser().parse(text)
    for (const [name, contract] of Object.entries(contracts)) {
      const messages = document?.channels().get(name)?.messages().all() ?? []
      expect(messages.map((message) => message.name())).toEqual(contract.eventTypes)
      for (const message of messages) {
        const example = message.examples().all()[0]?.payload()
        expect(example).toEqual(wireExample(contract, message.name() ?? ''))
        expect(wireSchemaOf(contract, message.name() ?? '').safeParse(example).error).toBeUndefined()
      }
    }
  })

  test('tells exactly the headers that a delivery carries', () => {
    for (const contract of Object.values(contracts))
      for (const eventType of contract.eventTypes) {
        const deliveryId = '9f6f8b54-8e2d-4f15-8c8a-d7b6d9f41a00'
        const wireBody = contract.wireBody(deliveryId, JSON.stringify(contract.example(eventType)))
        const secrets = [contract.newSecret()]
        const sent = contract.headers({ deliveryId, eventType, attempt: 1, wireBody, secrets, at: new Date() })
        expect(contract.wireHeaders.safeParse(sent).error?.issues).toBeUndefined()
        expect(Object.keys(sent)).toEqual(Object.keys(z.toJSONSchema(contract.wireHeaders).properties ?? {}))
      }
  })
})
