import { VerificationError, verifyFlo } from 'flo-gateway-receiver'

/** For any framework: `body` is the raw request body, as text or bytes. */
export async function receive(body: string | Uint8Array, headers: Headers): Promise<number> {
  try {
    const { event } = await verifyFlo({
      body,
      headers,
      // During a rotation, both secrets are accepted.
      secret: [process.env.FLO_SECRET, process.env.FLO_SECRET_BEFORE],
    })
    if (event.eventType === 'invoice.overdue') console.log(`${event.user.email} owes ${event.invoice.amountRemaining}`)
    return 200
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error
    console.error(error.code, error.message)
    return 400
  }
}
