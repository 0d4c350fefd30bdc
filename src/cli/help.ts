import type { Command } from './command.ts'
import { faint, strong } from './paint.ts'

/** The list of commands; of one family when `family` is the first word of some (`mappings`). */
export function commandOverview(commands: readonly Command[], family?: string): string {
  const some = commands.filter(({ name }) => name.split(' ')[0] === family)
  const shown = some.length > 0 ? some : commands
  return [
    `${strong('flo-gateway')} <command> [options]`,
    '',
    ...twoColumns(shown.map((command) => [usageOf(command), command.summary])),
    '',
    faint(
      'flo-gateway <command> --help shows more. Commands read the environment of the gateway: DATABASE_URL, or FLO_DATA_DIR.',
    ),
  ].join('\n')
}

/** Everything about one command. */
export function commandHelp(command: Command): string {
  const options = Object.entries(command.options ?? {}).map(([name, { value, about }]) => [
    `--${name}${value ? ` ${value}` : ''}`,
    about,
  ])
  return [
    `${strong(`flo-gateway ${usageOf(command)}`)}${options.length > 0 ? ' [options]' : ''}`,
    '',
    command.summary,
    ...(command.about ? ['', command.about] : []),
    ...sectionLines(
      'Arguments',
      twoColumns((command.args ?? []).map(({ name, about }) => [`<${name.replace('?', '')}>`, about])),
    ),
    ...sectionLines('Options', twoColumns(options)),
    ...sectionLines(
      'Examples',
      (command.examples ?? []).map((example) => `  flo-gateway ${example}`),
    ),
  ].join('\n')
}

/** The name with its arguments: `explain <id>`, `trigger <what> [where]`. */
export const usageOf = ({ name, args = [] }: Command): string =>
  [name, ...args.map((arg) => (arg.name.endsWith('?') ? `[${arg.name.slice(0, -1)}]` : `<${arg.name}>`))].join(' ')

const sectionLines = (title: string, lines: readonly string[]) =>
  lines.length > 0 ? ['', strong(title), ...lines] : []

function twoColumns(rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(0, ...rows.map(([first = '']) => first.length))
  return rows.map(([first = '', second = '']) => `  ${first.padEnd(width)}  ${second}`)
}
