import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { commands } from '../../src/cli/commands.ts'
import { usageOf } from '../../src/cli/help.ts'
import { runCommand } from '../support/command.ts'
import { emptyDatabase, freshDatabase } from '../support/database.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'
import { runGateway } from '../support/program.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const docs = readFileSync(`${root}/docs/cli.md`, 'utf8')
const folder = await temporaryFolder()

test('the help lists every command with its arguments', async () => {
  const { code, stdout } = await runCommand('--help', folder)
  expect(code).toBe(0)
  for (const command of commands) {
    expect(stdout).toContain(usageOf(command))
    expect(stdout).toContain(command.summary)
  }
})

test.each(commands.map((command) => [command.name, command] as const))(
  '%s has a help that names its options, and a chapter in docs/cli.md that does so too',
  async (name, command) => {
    const { code, stdout } = await runCommand([...name.split(' '), '--help'], folder)
    expect(code).toBe(0)
    const [chapter] =
      docs.match(new RegExp(`^## \`${usageOf(command).replace(/[[\]]/g, '\\$&')}\`$[^]*?(?=^## |$(?![^]))`, 'm')) ?? []
    expect(chapter, `a chapter "## \`${usageOf(command)}\`"`).toBeDefined()
    for (const option of Object.keys(command.options ?? {})) {
      expect(stdout).toContain(`--${option}`)
      expect(chapter).toContain(`--${option}`)
    }
  },
)

test('docs/cli.md describes no command that does not exist', () => {
  const chapters = [...docs.matchAll(/^## `(.+)`$/gm)].map(([, typed]) => typed)
  expect(chapters.sort()).toEqual(commands.map(usageOf).sort())
})

test.each([
  [['nonsense'], 'There is no command "nonsense".'],
  [['ledger', '--loud'], "Unknown option '--loud'"],
  [['ledger', 'twice'], '"twice" is one argument too many.'],
])('what cannot be understood ends with 2 and the way to the help: %s', async (typed, message) => {
  const { code, stdout, stderr } = await runCommand(typed, folder)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(message)
  expect(stderr).toMatch(/^See: flo-gateway (\w+ )?--help$/m)
})

test('without a database it says what to do, in one line', async () => {
  const { code, stderr } = await runCommand('ledger', folder)
  expect(code).toBe(2)
  expect(stderr).toBe('There is no database in ./.flo-gateway yet: start the gateway first, or set FLO_DATA_DIR.\n')
})

test('a database without the tables of a gateway is refused with what to do', async () => {
  const { code, stderr } = await runCommand('ledger', folder, environment(await emptyDatabase()))
  expect(code).toBe(2)
  expect(stderr).toContain('start the gateway once')
})

test('it finds the database by DATABASE_URL', async () => {
  const { url } = await freshDatabase()
  expect(await runCommand('ledger', folder, environment(url))).toMatchObject({ code: 0, stderr: '' })
})

test('it finds the embedded database of a running gateway, and of one that has stopped', async () => {
  const home = await temporaryFolder()
  const gateway = runGateway(home)
  await gateway.listening()
  expect(await runCommand('ledger', home)).toMatchObject({ code: 0 })
  gateway.child.kill('SIGTERM')
  await gateway.ended
  expect(await runCommand('ledger', home)).toMatchObject({ code: 0 })
  expect(await gateway.postmaster()).toBeNull()
})

test('npx flo-gateway and npm run flo work in the checkout', async () => {
  const run = promisify(execFile)
  // npm tells what it runs to the scripts that it runs: this test may be one.
  const env = { PATH: process.env.PATH, HOME: process.env.HOME }
  for (const [command, ...args] of [
    ['npx', 'flo-gateway'],
    ['npm', 'run', '--silent', 'flo', '--'],
  ] as const) {
    const { stdout } = await run(command, [...args, 'ledger', '--help'], { cwd: root, env })
    expect(stdout).toContain('flo-gateway ledger')
  }
})

describe('a command on a database that does not fit says so in one line, without a stack', () => {
  const KEYS = { FLO_ENCRYPTION_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}` }
  const lineOf = async (words: string, url: string) => {
    const { code, stderr } = await runCommand(words, await temporaryFolder(), { DATABASE_URL: url, ...KEYS })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^[^\n]+\n$/)
    return stderr
  }

  test.each(['ledger', 'renormalize --state failed', 'keys rotate', 'migrate', 'backfill'])(
    'that needs a newer program, or is not reached: %s',
    async (words) => {
      const { url, db } = await freshDatabase()
      await db.query(`insert into schema_compatibility (migration, oldest_program) values ('000099_later', '99.0.0')`)
      const later = await runCommand(words, await temporaryFolder(), { DATABASE_URL: url, ...KEYS })
      expect(later).toMatchObject({ code: 2, stderr: expect.stringMatching(/needs 99\.0\.0 or newer.*\n$/) })
      expect(await lineOf(words, Object.assign(new URL(url), { password: 'no' }).href)).toMatch(/accept the password/)
    },
  )

  test('whose tables are older than this program', async () => {
    const { url, db } = await freshDatabase()
    await db.query('alter table source_events rename column state to state_of_another_version')
    expect(await lineOf('ledger', url)).toMatch(/older than this program .*run "flo-gateway migrate"/)
  })
})
