import { type Figure, isMet, type Report } from './bench.ts'

/** As people read it: three digits that count. */
export const roundFigure = (value: number): string =>
  Number.isNaN(value) ? '-' : value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 10 ? 1 : 2)

export const barText = ({ ratio, atLeast, atMost }: Figure): string => {
  const [least, most] = ratio ? [ratio.atLeast, ratio.atMost] : [atLeast, atMost]
  return least !== undefined ? `>= ${least}` : most !== undefined ? `<= ${most}` : ''
}

/** The figures for the person at the terminal: what was measured, beside what, and whether it holds its bar. */
export function printTable(results: Report['results']): string {
  const lines = [['', 'measured', 'ratio', 'bar', '', 'beside']]
  for (const { row, figures = [], error } of results) {
    for (const figure of figures) {
      const held = isMet(figure)
      lines.push([
        figure.what,
        `${roundFigure(figure.value)} ${figure.unit}`,
        figure.ratio ? figure.ratio.value.toFixed(2) : '',
        barText(figure),
        held === undefined ? '' : held ? 'holds' : 'MISSED',
        figure.note ?? figure.ratio?.of ?? '',
      ])
    }
    if (error) lines.push([row, 'failed', '', '', '', error.split('\n')[0] ?? ''])
  }
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
