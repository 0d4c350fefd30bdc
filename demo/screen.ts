import pc from 'picocolors'
import type { Arrival } from './listen.ts'

// A delivery stands in one line, also in a terminal of 100 columns.
const WIDTH = 98
const say = (line = '') => process.stdout.write(`${line}\n`)

/** `left`, and `right` at the right edge; colours do not count. */
function spread(left: string, right: string): string {
  const visible = (text: string) => text.replace(/\u001b\[\d+m/g, '').length
  return left + ' '.repeat(Math.max(1, WIDTH - visible(left) - visible(right))) + right
}

const ms = (duration: number) => `${duration.toFixed(0)} ms`.padStart(8)

export const title = (text: string) => say(`\n ${pc.bold(text)}\n`)

/** What takes a moment, on a terminal alone; the next line takes its place. */
export const doing = (text: string) => process.stdout.isTTY && process.stdout.write(` ${pc.dim(`… ${text}`)}\r`)

export const done = (text: string, tookMs: number) =>
  say(spread(` ${pc.green('✔')} ${text}`, pc.dim(`${(tookMs / 1000).toFixed(1)} s`.padStart(8))))

export const chapter = (day: number, text: string) =>
  say(`\n ${pc.dim(`Day ${String(day).padEnd(3)}`)} ${pc.bold(text)}`)

/** A Stripe event that went in, and what it was answered. */
export function wentIn(type: string, remark: string, { status, answeredMs }: { status: number; answeredMs: number }) {
  const answer = status === 200 ? pc.dim('200') : pc.yellow(String(status))
  say(spread(`   ${pc.cyan('→')} ${type}${remark && pc.yellow(` ${remark}`)}`, `${answer} ${pc.dim(ms(answeredMs))}`))
}

/** An event that arrived: what it says, who verified it, and how long after Stripe's POST. */
export function cameOut(contract: string, { eventType, body, checks }: Arrival, tookMs: number) {
  const verified = checks.map(({ by }) => `${pc.green('✔')} ${by}`).join(' ')
  const what = `${contractMark(contract)} ${pc.bold(eventType.padEnd(22))} ${gists[contract]?.(JSON.parse(body)) ?? ''}`
  say(spread(`     ${pc.green('←')} ${what}`, `${verified} ${ms(tookMs)}`))
}

const contractMark = (contract: string) => pc.dim(contract.padEnd(9))

/** An attempt that the endpoint refused. */
export function refused(contract: string, { eventType }: Arrival, tookMs: number) {
  const what = `${contractMark(contract)} ${eventType.padEnd(22)} ${pc.yellow('refused: it will be tried again')}`
  say(spread(`     ${pc.yellow('←')} ${what}`, ms(tookMs)))
}

/** An event that told nothing, and why. */
export function toldNothing(code: string, message: string) {
  const indent = '         '
  const words = `told nothing (${code}): ${message}`.split(' ')
  let line = ''
  const lines: string[] = []
  for (const word of words) {
    if (indent.length + line.length + word.length > WIDTH) {
      lines.push(line)
      line = ''
    }
    line += `${word} `
  }
  say(pc.dim([...lines, line].map((text, at) => `${at === 0 ? '       · ' : indent}${text.trimEnd()}`).join('\n')))
}

export const wrong = (text: string) => say(`       ${pc.red(`✘ ${text}`)}`)
export const line = (text: string) => say(` ${text}`)

/** The few fields of a body that a person looks for first, by contract. */
const gists: Record<string, (body: any) => string> = {
  flo({ objectType, eventType, ...objects }) {
    const { name, number, state, total, currency, cancelAt } = objects[objectType]
    const money = new Intl.NumberFormat('en-US', { style: 'currency', currency }).format(total)
    const last = eventType === 'subscription.cancelled' ? `ends ${day.format(new Date(cancelAt))}` : money
    return row(name ?? number, state, last)
  },
  florentin({ data: { account, subscription, invoice } }) {
    if (account) return row(account.name, '', '')
    const { plan_name, number, status, amount, amount_due, currency } = subscription ?? invoice
    return row(plan_name ?? number, status, `${amount ?? amount_due} ${currency}`)
  },
}
const row = (name: string | null, state: string, last: string) =>
  `${(name ?? '-').padEnd(8)} ${pc.dim(state.padEnd(8))} ${last.padStart(8)}`

const day = new Intl.DateTimeFormat('en-US', { month: 'short', day: 'numeric', timeZone: 'UTC' })
