import pc from 'picocolors'
import type { Played } from './play.ts'
import { line, title } from './screen.ts'

/** Shows what the steps came to; true when all that had to arrive did. */
export function summary(played: readonly Played[], tookMs: number): boolean {
  const count = (answered: Played['answered']) => played.filter((one) => one.answered === answered).length
  const sum = (of: (one: Played) => number) => played.reduce((total, one) => total + of(one), 0)
  const silent = played.filter(({ answered, verified }) => answered === 'accepted' && verified === 0).length
  const latencies = played.flatMap((one) => one.latencies).toSorted((a, b) => a - b)
  const percentile = (share: number) => `${latencies[Math.ceil(latencies.length * share) - 1]?.toFixed(0) ?? '?'} ms`
  const problems = played.flatMap((one) => one.problems)

  title(problems.length === 0 ? 'Everything arrived' : pc.red('Not everything arrived as it should'))
  const row = (name: string, value: string) => line(`${pc.dim(name.padEnd(20))} ${value}`)
  row(
    'Stripe events in',
    `${count('accepted')} accepted, ${count('duplicate')} duplicate, ${count('refused')} forged and refused`,
  )
  row('events out', `${sum((one) => one.verified)}, ${sum((one) => one.retried)} of them at the second attempt`)
  row('verified by', 'stripe.webhooks.constructEvent and standardwebhooks, Florentin’s by its HMAC')
  row('told nothing', `${silent} events, each with its reason`)
  row('webhook to client', `p50 ${percentile(0.5)}, p95 ${percentile(0.95)}, first attempts`)
  row('all in all', `${(tookMs / 1000).toFixed(1)} s, with a new PostgreSQL`)
  for (const problem of problems) line(pc.red(`✘ ${problem}`))

  title('Where to look next')
  row('README.md', 'your own event through npm start in five minutes')
  row('docs/catalog.md', 'which Stripe event becomes which event of a contract, and why')
  row('npm start', 'the API reference is then at http://127.0.0.1:8080/docs')
  line('')
  return problems.length === 0
}
