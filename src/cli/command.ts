import { parseArgs } from 'node:util'

/** One thing that `flo-gateway` can do: a file, and a line in commands.ts. */
export interface Command<O extends CommandOptions = CommandOptions> {
  /** As it is typed: `ledger`, `mappings diff`. */
  name: string
  /** One line, for the list of commands. */
  summary: string
  /** More detail, in whole sentences. */
  about?: string
  /** The arguments after the name, in order; one that ends in `?` may be left out. */
  args?: readonly { name: string; about: string }[]
  options?: O
  examples?: readonly string[]
  /** Answers the exit code: 0, or 1 where the command asks a question whose answer is no. What throws ends with 2. */
  run(call: CommandCall<O>): Promise<number>
}

export type CommandOptions = Readonly<Record<string, CommandOption>>
interface CommandOption {
  type: 'string' | 'boolean'
  about: string
  /** The placeholder of its value: `<time>`. */
  value?: string
}
type OptionValues<O> = { [K in keyof O]: O[K] extends { type: 'boolean' } ? boolean : string | undefined }

/** A command line as parsed. */
export interface CommandCall<O extends CommandOptions = CommandOptions> {
  args: readonly string[]
  options: OptionValues<O>
  printLine: (text: string) => void
  /** Progress and remarks, so that the output itself can go into a file. */
  printNote: (text: string) => void
}

/** Types the options that `run` gets by those declared. */
export const defineCommand = <const O extends CommandOptions>(command: Command<O>): Command<O> => command

/** The command line cannot be run as typed: shown with a pointer to the help, exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** Parses the words after a command's name. Throws a UsageError that says what is wrong. */
export function parseCall<O extends CommandOptions>(
  command: Command<O>,
  typed: readonly string[],
): Pick<CommandCall<O>, 'args' | 'options'> {
  const declared = Object.entries(command.options ?? {})
  const { values, positionals } = readWords(typed, declared)
  const args = command.args ?? []
  const missing = args.find(({ name }, at) => !name.endsWith('?') && positionals[at] === undefined)
  if (missing) throw new UsageError(`<${missing.name}> is missing: ${missing.about}`)
  if (positionals.length > args.length) throw new UsageError(`"${positionals[args.length]}" is one argument too many.`)
  const options = declared.map(([name, { type }]) => [name, values[name] ?? (type === 'boolean' ? false : undefined)])
  return { args: positionals, options: Object.fromEntries(options) as OptionValues<O> }
}

function readWords(typed: readonly string[], declared: readonly (readonly [string, CommandOption])[]) {
  try {
    return parseArgs({
      args: [...typed],
      allowPositionals: true,
      options: Object.fromEntries(declared.map(([name, { type }]) => [name, { type }])),
    })
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/\. To specify.*/s, ''), { cause: error })
  }
}
