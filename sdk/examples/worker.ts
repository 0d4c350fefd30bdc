import { floWebhook } from 'flo-gateway-receiver/fetch'

export default {
  fetch(request: Request, env: { FLO_SECRET: string }): Promise<Response> {
    const webhook = floWebhook({
      secret: env.FLO_SECRET,
      handler: async (event) => console.log(event.eventId),
    })
    return webhook(request)
  },
}
