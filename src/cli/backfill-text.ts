import type { BackfillProgress } from '../backfill/progress.ts'
import type { EventCounts } from '../backfill/state.ts'
import { progressBar } from './follow.ts'
import { columnLines, countText, momentText, strong } from './paint.ts'

/** One line of a running backfill: a bar, how far it is, what it has found. Cut to `width`. */
export function backfillStatusLine(
  { since, until, readUntil, counts, reason }: BackfillProgress,
  width: number,
): string {
  const share = (readUntil.getTime() - since.getTime()) / (until.getTime() - since.getTime())
  const all = totalOf(counts)
  const parts = [
    progressBar(share),
    momentText(readUntil),
    `${all.listed} listed, ${all.new} new`,
    ...(reason ? [`waiting: ${reason}`] : []),
  ]
  return parts.join('  ').slice(0, width - 1)
}

/** What was listed, and what of it was missing, by type. */
export function backfillReportLines(counts: BackfillProgress['counts']): string[] {
  const all = totalOf(counts)
  const types = Object.entries(counts).toSorted(([, a], [, b]) => b.new - a.new || b.listed - a.listed)
  const rows = types.map(([type, count]) => [type, ...countCells(count)])
  const table =
    rows.length > 0
      ? columnLines([['type', 'listed', 'known', 'new', 'refused'], ...rows, ['', ...countCells(all)]])
      : []
  return [...table, ...(rows.length > 0 ? [''] : []), strong(summarySentence(all))]
}

function summarySentence({ listed, known, new: missing, refused }: EventCounts): string {
  if (listed === 0) return 'Stripe lists no event of this time.'
  const lost = refused > 0 ? ` ${countText(refused, 'event')} could not be stored.` : ''
  if (missing === 0) return `Nothing was missing: ${known} of ${countText(listed, 'event')} had arrived before.${lost}`
  return `${missing} of ${countText(listed, 'event')} had not arrived and ${missing === 1 ? 'is' : 'are'} received now.${lost}`
}

const countCells = (count: EventCounts) => [count.listed, count.known, count.new, count.refused].map(String)

const totalOf = (counts: BackfillProgress['counts']): EventCounts =>
  Object.values(counts).reduce(
    (sum, { listed, known, new: fresh, refused }) => ({
      listed: sum.listed + listed,
      known: sum.known + known,
      new: sum.new + fresh,
      refused: sum.refused + refused,
    }),
    { listed: 0, known: 0, new: 0, refused: 0 },
  )
