import pc from 'picocolors'
import type { PlayedStep } from './play.ts'
import { printIndented, printTitle } from './screen.ts'

/** Shows what the steps came to; true when all that had to arrive did. */
export function printSummary(played: readonly PlayedStep[], tookMs: number): boolean {
  const countAnswered = (answered: PlayedStep['answered']) => played.filter((one) => one.answered === answered).length
  const sumOver = (of: (one: PlayedStep) => number) => played.reduce((total, one) => total + of(one), 0)
  const silent = played.filter(({ answered, verified }) => answered === 'accepted' && verified === 0).length
  const latencies = played.flatMap((one) => one.latencies).toSorted((a, b) => a - b)
  const percentileText = (share: number) =>
    `${latencies[Math.ceil(latencies.length * share) - 1]?.toFixed(0) ?? '?'} ms`
  const problems = played.flatMap((one) => one.problems)

  printTitle(problems.length === 0 ? 'Everything arrived' : pc.red('Not everything arrived as it should'))
  const printRow = (name: string, value: string) => printIndented(`${pc.dim(name.padEnd(20))} ${value}`)
  printRow(
    'Stripe events in',
    `${countAnswered('accepted')} accepted, ${countAnswered('duplicate')} duplicate, ${countAnswered('refused')} forged and refused`,
  )
  printRow(
    'events out',
    `${sumOver((one) => one.verified)}, ${sumOver((one) => one.retried)} of them at the second attempt`,
  )
  printRow('verified by', 'stripe.webhooks.constructEvent and standardwebhooks, Florentin’s by its HMAC')
  printRow('no event', `${silent} Stripe events, each with its reason`)
  printRow('webhook to client', `p50 ${percentileText(0.5)}, p95 ${percentileText(0.95)}, first attempts`)
  printRow('all in all', `${(tookMs / 1000).toFixed(1)} s, with a new PostgreSQL`)
  for (const problem of problems) printIndented(pc.red(`✘ ${problem}`))

  printTitle('Where to look next')
  printRow('README.md', 'your own event through npm start in five minutes')
  printRow('docs/catalog.md', 'which Stripe event becomes which event of a contract, and why')
  printRow('npm start', 'the API reference is then at http://127.0.0.1:8080/docs')
  printIndented('')
  return problems.length === 0
}
