import { florentinWebhook } from 'flo-gateway-receiver/fetch'

const webhook = florentinWebhook({
  secret: process.env.FLORENTIN_SECRET,
  on: {
    'invoice.created': async ({ data: { invoice } }) => {
      console.log(`${invoice.number}: ${invoice.amount_due} ${invoice.currency}, in minor units`)
    },
  },
})

// app.post('/webhooks/florentin', receiveFlorentin)
export const receiveFlorentin = (c: { req: { raw: Request } }) => webhook(c.req.raw)
