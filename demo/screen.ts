import pc from 'picocolors'
import type { Json } from '../src/domain/json.ts'
import type { ReceivedDelivery } from './listen.ts'

// A delivery stands in one line, also in a terminal of 100 columns.
const WIDTH = 98
const printLine = (line = '') => process.stdout.write(`${line}\n`)

/** `left`, and `right` at the right edge; colours do not count. */
function spreadLine(left: string, right: string): string {
  const visibleLength = (text: string) => text.replace(/\u001b\[\d+m/g, '').length
  return left + ' '.repeat(Math.max(1, WIDTH - visibleLength(left) - visibleLength(right))) + right
}

const msText = (duration: number) => `${duration.toFixed(0)} ms`.padStart(8)

export const printTitle = (text: string) => printLine(`\n ${pc.bold(text)}\n`)

/** What takes a moment, on a terminal alone; the next line takes its place. */
export const printProgress = (text: string) => process.stdout.isTTY && process.stdout.write(` ${pc.dim(`… ${text}`)}\r`)

export const printDone = (text: string, tookMs: number) =>
  printLine(spreadLine(` ${pc.green('✔')} ${text}`, pc.dim(`${(tookMs / 1000).toFixed(1)} s`.padStart(8))))

export const printChapter = (day: number, text: string) =>
  printLine(`\n ${pc.dim(`Day ${String(day).padEnd(3)}`)} ${pc.bold(text)}`)

/** A Stripe event that went in, and what it was answered. */
export function printEventIn(
  type: string,
  remark: string,
  { status, answeredMs }: { status: number; answeredMs: number },
) {
  const answer = status === 200 ? pc.dim('200') : pc.yellow(String(status))
  printLine(
    spreadLine(
      `   ${pc.cyan('→')} ${type}${remark && pc.yellow(` ${remark}`)}`,
      `${answer} ${pc.dim(msText(answeredMs))}`,
    ),
  )
}

/** An event that arrived: what it says, who verified it, and how long after Stripe's POST. */
export function printEventOut(contract: string, { eventType, body, checks }: ReceivedDelivery, tookMs: number) {
  const verified = checks.map(({ by }) => `${pc.green('✔')} ${by}`).join(' ')
  const what = `${contractMark(contract)} ${pc.bold(eventType.padEnd(22))} ${gists[contract]?.(JSON.parse(body)) ?? ''}`
  printLine(spreadLine(`     ${pc.green('←')} ${what}`, `${verified} ${msText(tookMs)}`))
}

const contractMark = (contract: string) => pc.dim(contract.padEnd(9))

/** An attempt that the endpoint refused. */
export function printRefused(contract: string, { eventType }: ReceivedDelivery, tookMs: number) {
  const what = `${contractMark(contract)} ${eventType.padEnd(22)} ${pc.yellow('refused: it will be tried again')}`
  printLine(spreadLine(`     ${pc.yellow('←')} ${what}`, msText(tookMs)))
}

/** A Stripe event that produced no event, and why. */
export function printIgnored(code: string, message: string) {
  const indent = '         '
  const words = `no event (${code}): ${message}`.split(' ')
  let line = ''
  const lines: string[] = []
  for (const word of words) {
    if (indent.length + line.length + word.length > WIDTH) {
      lines.push(line)
      line = ''
    }
    line += `${word} `
  }
  printLine(
    pc.dim([...lines, line].map((text, at) => `${at === 0 ? '       · ' : indent}${text.trimEnd()}`).join('\n')),
  )
}

export const printProblem = (text: string) => printLine(`       ${pc.red(`✘ ${text}`)}`)
export const printIndented = (text: string) => printLine(` ${text}`)

/** The few fields of a body that a person looks for first, by contract. */
const gists: Record<string, (body: Json) => string> = {
  flo({ objectType, eventType, ...objects }) {
    const { name, number, state, total, currency, cancelAt } = objects[objectType]
    const money = new Intl.NumberFormat('en-US', { style: 'currency', currency }).format(total)
    const last = eventType === 'subscription.cancelled' ? `ends ${day.format(new Date(cancelAt))}` : money
    return bodyRow(name ?? number, state, last)
  },
  florentin({ data: { account, subscription, invoice } }) {
    if (account) return bodyRow(account.name, '', '')
    const { plan_name, number, status, amount, amount_due, currency } = subscription ?? invoice
    return bodyRow(plan_name ?? number, status, `${amount ?? amount_due} ${currency}`)
  },
}
const bodyRow = (name: string | null, state: string, last: string) =>
  `${(name ?? '-').padEnd(8)} ${pc.dim(state.padEnd(8))} ${last.padStart(8)}`

const day = new Intl.DateTimeFormat('en-US', { month: 'short', day: 'numeric', timeZone: 'UTC' })
