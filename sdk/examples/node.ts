import { createServer } from 'node:http'
import { floWebhook } from 'flo-gateway-receiver/express'

const webhook = floWebhook({
  secret: process.env.FLO_SECRET,
  handler: async (event, { attempt }) => {
    console.log(`${event.eventType} at attempt ${attempt}`)
  },
})

createServer(webhook).listen(process.env.PORT)
