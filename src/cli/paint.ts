import { stripVTControlCharacters, styleText } from 'node:util'

// How the output of commands looks. `styleText` leaves colours out where the output is not a terminal.

export const strong = (text: string) => styleText('bold', text)
export const faint = (text: string) => styleText('dim', text)
export const good = (text: string) => styleText('green', text)
export const bad = (text: string) => styleText('red', text)
export const warning = (text: string) => styleText('yellow', text)

/** Whether something holds, as a sign; null: not evaluated. */
export const truthSign = (holds: boolean | null) => (holds === null ? faint('·') : holds ? good('✓') : bad('✗'))

/** A value as JSON, cut where it would fill the line. */
export function jsonText(value: unknown, most = 60): string {
  const text = value === undefined ? 'left out' : JSON.stringify(value)
  return text.length > most ? `${text.slice(0, most - 1)}…` : text
}

/** `1 source event`, `2 source events`. */
export const countText = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`

/** A moment to the second, in UTC. */
export const momentText = (time: Date) => time.toISOString().replace(/\.\d+Z$/, 'Z')

/** Rows in columns, each as wide as its widest cell up to `most`; the last one is not padded. */
export function columnLines(rows: readonly (readonly string[])[], { indent = 0, most = 48 } = {}): string[] {
  const visibleWidth = (text: string) => stripVTControlCharacters(text).length
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.min(most, Math.max(...rows.map((row) => visibleWidth(row[at] ?? '')))),
  )
  const padCell = (cell: string, at: number) => cell + ' '.repeat(Math.max(0, (widths[at] ?? 0) - visibleWidth(cell)))
  return rows.map((row) => {
    const cells = row.map((cell, at) => (at < row.length - 1 ? padCell(cell, at) : cell))
    return `${' '.repeat(indent)}${cells.join('  ')}`.trimEnd()
  })
}
