// app/webhooks/flo/route.ts
import { floWebhook } from 'flo-gateway-receiver/fetch'

export const POST = floWebhook({
  secret: process.env.FLO_SECRET,
  on: {
    'subscription.renewed': async ({ user, subscription }) => {
      console.log(`${user.clientUserId} goes on until ${subscription.endDate}`)
    },
  },
})
