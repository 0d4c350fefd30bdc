import { Agent, request } from 'undici'
import { newId } from '../src/domain/ids.ts'
import { answerParent, cpuUsage, readConfigOf } from './child.ts'
import { bodyOf, benchContract as contract, FLO_SECRET } from './seed.ts'

// The bar: what undici alone does with the same bodies, signed the same way, with nothing loaded and nothing recorded.
const { url, concurrency } = readConfigOf<{ url: string; concurrency: number }>()
const agent = new Agent({ connections: concurrency, pipelining: 1 })
let running = false
let n = 0

async function postDelivery() {
  const deliveryId = newId()
  const eventType = 'subscription.created'
  const wireBody = contract.wireBody(deliveryId, bodyOf(n++))
  const headers = contract.headers({
    deliveryId,
    eventType,
    attempt: 1,
    wireBody,
    secrets: [FLO_SECRET],
    at: new Date(),
  })
  const reply = await request(url, { method: 'POST', dispatcher: agent, headers, body: wireBody })
  await reply.body.dump()
}

const commands = {
  usage: cpuUsage,
  start() {
    running = true
    for (let at = 0; at < concurrency; at++)
      void (async () => {
        while (running) await postDelivery()
      })()
  },
  halt() {
    running = false
  },
}
export type BareServer = typeof commands
answerParent({}, commands)
