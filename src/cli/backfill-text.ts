import type { BackfillProgress } from '../backfill/progress.ts'
import type { EventCounts } from '../backfill/state.ts'
import { bar } from './follow.ts'
import { columns, counted, moment, strong } from './paint.ts'

/** One line of a running backfill: a bar, how far it is, what it has found. Cut to `width`. */
export function statusLine({ since, until, readUntil, counts, reason }: BackfillProgress, width: number): string {
  const share = (readUntil.getTime() - since.getTime()) / (until.getTime() - since.getTime())
  const all = total(counts)
  const parts = [
    bar(share),
    moment(readUntil),
    `${all.listed} listed, ${all.new} new`,
    ...(reason ? [`waiting: ${reason}`] : []),
  ]
  return parts.join('  ').slice(0, width - 1)
}

/** What was listed, and what of it was missing, by type. */
export function report(counts: BackfillProgress['counts']): string[] {
  const all = total(counts)
  const types = Object.entries(counts).toSorted(([, a], [, b]) => b.new - a.new || b.listed - a.listed)
  const rows = types.map(([type, count]) => [type, ...cells(count)])
  const table =
    rows.length > 0 ? columns([['type', 'listed', 'known', 'new', 'refused'], ...rows, ['', ...cells(all)]]) : []
  return [...table, ...(rows.length > 0 ? [''] : []), strong(summary(all))]
}

function summary({ listed, known, new: missing, refused }: EventCounts): string {
  if (listed === 0) return 'Stripe lists no event of this time.'
  const lost = refused > 0 ? ` ${counted(refused, 'event')} could not be stored.` : ''
  if (missing === 0) return `Nothing was missing: ${known} of ${counted(listed, 'event')} had arrived before.${lost}`
  return `${missing} of ${counted(listed, 'event')} had not arrived and ${missing === 1 ? 'is' : 'are'} received now.${lost}`
}

const cells = (count: EventCounts) => [count.listed, count.known, count.new, count.refused].map(String)

const total = (counts: BackfillProgress['counts']): EventCounts =>
  Object.values(counts).reduce(
    (sum, { listed, known, new: fresh, refused }) => ({
      listed: sum.listed + listed,
      known: sum.known + known,
      new: sum.new + fresh,
      refused: sum.refused + refused,
    }),
    { listed: 0, known: 0, new: 0, refused: 0 },
  )
