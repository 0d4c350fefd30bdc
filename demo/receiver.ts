// A receiver to try things with: npm run receiver -- <the endpoint's secret>
import { type Arrival, listen } from './listen.ts'

const [secret = ''] = process.argv.slice(2)
const port = process.env.RECEIVER_PORT ?? '4242'
if (!secret.startsWith('flo_whsec_')) {
  process.stderr.write("Give the endpoint's secret: npm run receiver -- flo_whsec_...\n")
  process.exit(1)
}

const verdict = (name: string, refusal: string | undefined) =>
  refusal ? `REFUSED by ${name}: ${refusal}` : `verified by ${name}`

function arrived({ eventType, attempt, body, verdict: { stripe, standard } }: Arrival): number {
  const verdicts = [verdict("Stripe's SDK", stripe), verdict('standardwebhooks', standard)].join(', ')
  process.stdout.write(`\n${eventType} (attempt ${attempt}): ${verdicts}\n`)
  // What is not signed by the gateway is not even read.
  if (stripe || standard) return 400
  process.stdout.write(`${JSON.stringify(JSON.parse(body), null, 2)}\n`)
  return 200
}

const receiver = await listen({ port: Number(port), secret: () => secret, arrived }).catch((error) => {
  process.stderr.write(`The receiver cannot listen on port ${port}: ${error.message}\n`)
  process.exit(1)
})
process.stdout.write(`Waiting for deliveries on ${receiver.url}, Ctrl-C ends it\n`)
