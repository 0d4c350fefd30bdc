import { existsSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '../errors.ts'
import { type Command, parseCall, UsageError } from './command.ts'
import { commands } from './commands.ts'
import { commandHelp, commandOverview } from './help.ts'

/** `flo-gateway <command> ...`: runs the command on the gateway's own environment (and `.env`) and exits with its code. */
export async function runCommandLine(typed: readonly string[]): Promise<never> {
  const command = findCommand(typed)
  try {
    const rest = typed.slice(command ? command.name.split(' ').length : 0)
    if (!command && (rest.length === 0 || rest.some(asksForHelp)))
      return exitWith(printLine(commandOverview(commands, rest[0])))
    if (!command) throw new UsageError(`There is no command "${rest[0]}".`)
    if (rest.some(asksForHelp)) return exitWith(printLine(commandHelp(command)))
    const call = parseCall(command, rest)
    if (existsSync('.env')) process.loadEnvFile('.env')
    return exitWith(await command.run({ ...call, printLine: printLine, printNote: printNote }))
  } catch (error) {
    if (error instanceof UsageError)
      printNote(`${error.message}\nSee: flo-gateway ${command ? `${command.name} ` : ''}--help`)
    else printNote(error instanceof ConfigError ? error.message : String((error as Error).stack ?? error))
    return exitWith(2)
  }
}

/** The command whose name stands first, of several the longest. */
const findCommand = (typed: readonly string[]): Command | undefined =>
  commands
    .filter(({ name }) => name.split(' ').every((word, at) => typed[at] === word))
    .sort((a, b) => b.name.length - a.name.length)[0]

const asksForHelp = (word: string) => word === '--help' || word === '-h'

function printLine(text: string): 0 {
  process.stdout.write(`${text}\n`)
  return 0
}
const printNote = (text: string) => void process.stderr.write(`${text}\n`)

/** Ends at once, since an idle connection would keep the process, but not before a pipe has taken what was said. */
function exitWith(code: number): Promise<never> {
  return new Promise(() => {
    process.stdout.write('', () => process.exit(code))
  })
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  await runCommandLine(process.argv.slice(2))
