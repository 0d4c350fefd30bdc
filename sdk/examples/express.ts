import express from 'express'
import { floWebhook } from 'flo-gateway-receiver/express'

const app = express()

// Before express.json(), which would consume the raw bytes that were signed.
app.post(
  '/webhooks/flo',
  floWebhook({
    secret: process.env.FLO_SECRET,
    on: {
      'subscription.created': async ({ user, subscription }, { deliveryId }) => {
        console.log(`${user.clientUserId} has ${subscription.name} (${deliveryId})`)
      },
      'invoice.paid': async ({ invoice }) => {
        console.log(`${invoice.number} is paid: ${invoice.amountPaid} ${invoice.currency}`)
      },
    },
  }),
)

app.use(express.json())
app.listen(process.env.PORT)
