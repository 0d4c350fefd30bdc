// A receiver for endpoints of either contract, to try things with: npm run receiver -- <the endpoint's secret>
import { type ReceivedDelivery, startReceiver } from './listen.ts'

const [secret = ''] = process.argv.slice(2)
const port = process.env.RECEIVER_PORT ?? '4242'
if (!secret.startsWith('flo_whsec_')) {
  process.stderr.write("Give the endpoint's secret: npm run receiver -- flo_whsec_...\n")
  process.exit(1)
}

const attempts = new Map<string, number>()

function printDelivery({ deliveryId, eventType, body, checks }: ReceivedDelivery): number {
  const attempt = (attempts.get(deliveryId) ?? 0) + 1
  attempts.set(deliveryId, attempt)
  const verdicts = checks.map(({ by, refusal }) => (refusal ? `REFUSED by ${by}: ${refusal}` : `verified by ${by}`))
  process.stdout.write(`\n${eventType} (attempt ${attempt}): ${verdicts.join(', ')}\n`)
  // What is not signed by the gateway is not even read.
  if (checks.some(({ refusal }) => refusal)) return 400
  process.stdout.write(`${JSON.stringify(JSON.parse(body), null, 2)}\n`)
  return 200
}

const receiver = await startReceiver({ port: Number(port), secret: () => secret, arrived: printDelivery }).catch(
  (error) => {
    process.stderr.write(`The receiver cannot listen on port ${port}: ${error.message}\n`)
    process.exit(1)
  },
)
process.stdout.write(`Waiting for deliveries on ${receiver.url}, Ctrl-C ends it\n`)
