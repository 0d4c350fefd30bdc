import { present } from './present.ts'

/** A rule of Prometheus as it stands in a rules file. */
export interface Rule {
  alert: string
  expr: string
  for?: string
  labels: Record<string, string>
  annotations: Record<string, string>
}

type Tree = { [key: string]: string | Tree } | Tree[]
interface Line {
  indent: number
  text: string
}

/**
 * The alerts of a rules file. It reads as much of YAML as such a file needs: maps and lists by indentation, plain and quoted
 * scalars, blocks behind `|`. Throws for anything else.
 */
export function alertsOf(text: string): Rule[] {
  const lines: Line[] = text
    .split('\n')
    .filter((line) => !/^\s*(#.*)?$/.test(line))
    .map((line) => ({ indent: line.search(/\S/), text: line.trim() }))
  const tree = block(lines, 0) as unknown as { groups: { name: string; rules: Rule[] }[] }
  if (lines.length > 0) throw new Error(`cannot be read from here on: ${present(lines[0]).text}`)
  return tree.groups.flatMap(({ rules }) => rules)
}

function block(lines: Line[], indent: number): Tree {
  return lines[0]?.text.startsWith('- ') ? list(lines, indent) : map(lines, indent)
}

function list(lines: Line[], indent: number): Tree[] {
  const items: Tree[] = []
  while (lines[0]?.indent === indent && lines[0].text.startsWith('- ')) {
    // What follows the dash is a map that stands two columns further in.
    lines[0] = { indent: indent + 2, text: lines[0].text.slice(2) }
    items.push(map(lines, indent + 2))
  }
  return items
}

function map(lines: Line[], indent: number): Tree {
  const entries: { [key: string]: string | Tree } = {}
  while (lines[0]?.indent === indent) {
    const line = present(lines.shift())
    const [, key, value = ''] = /^(\w+):(?: (.+))?$/.exec(line.text) ?? []
    if (!key || key in entries) throw new Error(`no member, or one that is there already: ${line.text}`)
    if (value === '|') entries[key] = scalarBlock(lines, indent)
    else if (value !== '') entries[key] = scalar(value)
    else if (lines[0] && lines[0].indent > indent) entries[key] = block(lines, lines[0].indent)
    else throw new Error(`${key} has no value`)
  }
  return entries
}

function scalarBlock(lines: Line[], indent: number): string {
  const texts: string[] = []
  while (lines[0] && lines[0].indent > indent) texts.push(present(lines.shift()).text)
  return texts.join('\n')
}

function scalar(text: string): string {
  const [, quoted] = /^'((?:[^']|'')*)'$/.exec(text) ?? []
  if (quoted !== undefined) return quoted.replaceAll("''", "'")
  // Plain, YAML would take these for something else.
  if (/^['"&*!|>%@`{[\]}]|: | #|:$/.test(text)) throw new Error(`needs quotes: ${text}`)
  return text
}
