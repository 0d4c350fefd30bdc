const WIDTH = 120

/** JSON for people: what fits on a line stands on a line. Parses to the same value. */
export function compact(value: unknown, indent = 0): string {
  const flat = oneLine(value)
  if (indent + flat.length <= WIDTH || typeof value !== 'object' || value === null) return flat
  const pad = ' '.repeat(indent + 2)
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  const parts = Array.isArray(value)
    ? value.map((one) => compact(one, indent + 2))
    : Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${compact(one, indent + 2)}`)
  return `${open}\n${pad}${filled(parts, indent + 2).join(`\n${pad}`)}\n${' '.repeat(indent)}${close}`
}

/** Short parts side by side, long ones on lines of their own. */
function filled(parts: string[], indent: number): string[] {
  const lines: string[] = []
  for (const [at, part] of parts.entries()) {
    const text = at < parts.length - 1 ? `${part},` : part
    const last = lines.at(-1)
    const joins = last !== undefined && !last.includes('\n') && !text.includes('\n')
    if (joins && indent + last.length + 1 + text.length <= WIDTH) lines[lines.length - 1] = `${last} ${text}`
    else lines.push(text)
  }
  return lines
}

function oneLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${oneLine(one)}`)
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}
