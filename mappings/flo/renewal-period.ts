import { chooser, max, min } from '../../src/language/list-words.ts'
import { type Expr, set, unset } from '../../src/language/mapping.ts'
import { called, computed, firstOf, given, is, kept, more, not, on } from '../../src/language/words.ts'
import { type BilledLine, isPeriodLine, itemOf, planOf, usageTypeOf } from '../accessors/billed-lines.ts'
import { invoiceSubscription, lines, periodLine } from '../accessors/invoice.ts'
import { currentTerms, periodBegunAt } from '../accessors/periods.ts'

// Which period a renewal has paid: that of the paid lines, else that of the subscription (docs/stripe.md 4.22).

/** The subscription as we hold it; its own events may come later than its payment. */
const held = kept('subscription', invoiceSubscription)
const { from } = on('invoice.paid')

/** The line of the period that was paid: of several the one that ends last. */
export const paidLine = chooser(
  'paid line',
  'of the lines that bill a period the one that ends last',
  (list: BilledLine[]) =>
    list
      .filter(isPeriodLine)
      .reduce<BilledLine | null>(
        (last, line) => (last === null || line.period.end > last.period.end ? line : last),
        null,
      ),
)

/** Usage is billed when its period is over, beside the period that begins; for a quantity of 0 nothing is paid. */
function paidAhead(list: BilledLine[], boundary: number | null): BilledLine[] {
  const isAhead = (line: BilledLine) =>
    usageTypeOf(line) === 'licensed' ||
    (usageTypeOf(line) !== 'metered' && (boundary === null || line.period.end > boundary))
  const ahead = list.filter((line) => isPeriodLine(line) && isAhead(line)).sort((a, b) => b.period.end - a.period.end)
  const counting = ahead.filter(({ quantity }) => quantity !== 0)
  const paid: BilledLine[] = []
  let begin = Infinity
  for (const line of counting.length > 0 ? counting : ahead) {
    const [last] = paid
    // Several periods of one item may be billed ahead.
    if (last && (itemOf(line) !== itemOf(last) || line.period.end < begin)) continue
    paid.push(line)
    begin = Math.min(begin, line.period.start)
  }
  return paid
}

/** Unix seconds at which the billed period began: a cycle's invoice looks back on the one before it. */
export const boundary = called(
  'the end of the period before',
  given(more(from('period_end'), from('period_start')), from('period_end')),
)
export const aheadLines = called(
  'the lines of the paid period',
  computed('periods billed ahead', (list, boundary) => paidAhead(list ?? [], boundary), lines, boundary),
)
/** Unix seconds at which the period begins that the lines show. */
export const paidFrom = min(aheadLines, (line) => line.from('period.start'))

/** The period of the held subscription that begins at the boundary, as a list of at most one. */
const begunPeriod = called(
  'the period of the subscription that begins then',
  computed(
    'the period that begins at the boundary',
    (terms, boundary, list) =>
      periodBegunAt(
        boundary,
        terms ?? [],
        (list ?? []).filter(isPeriodLine).flatMap((line) => [itemOf(line), planOf(line) ?? '']),
      ),
    held(currentTerms),
    boundary,
    lines as Expr<BilledLine[] | null>,
  ),
)
/** The subscription is known to have rolled into the period that was paid. */
export const hasRolled = called(
  'rolled into the paid period',
  is(
    min(begunPeriod, (period) => period.from('start')),
    set,
  ),
)
/** Where nothing says when a period begins, the lines' own, whatever they bill. */
const ofUnknown = <T>(period: Expr<T>) => given(not(held.known), given(is(boundary, unset), period))

/** Unix seconds. */
export const periodStart = firstOf(
  paidFrom,
  min(begunPeriod, (period) => period.from('start')),
  boundary,
  ofUnknown(min(lines, (line) => line.from('period.start'), periodLine)),
)
/** Unix seconds; null where it is not known. */
export const periodEnd = firstOf(
  max(aheadLines, (line) => line.from('period.end')),
  max(begunPeriod, (period) => period.from('end')),
  ofUnknown(max(lines, (line) => line.from('period.end'), periodLine)),
)
