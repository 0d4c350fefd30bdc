import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { afterwards } from '../support/afterwards.ts'
import { compiled } from '../support/compiled.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

test('a supervisor that runs the gateway as workers of its own node:cluster may do so, with one process each', async () => {
  const { url } = await freshDatabase()
  const program = `import cluster from 'node:cluster'
    cluster.setupPrimary({ exec: ${JSON.stringify(MAIN)}, execArgv: [] })
    cluster.fork().on('exit', (code) => process.exit(code))`
  const run = async (env: Record<string, string>) => {
    const supervisor = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: await temporaryFolder(),
      env: { PATH: process.env.PATH, ...compiled, ...environment(url, env) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    afterwards(async () => void supervisor.kill('SIGKILL'))
    const said = { out: '', err: '' }
    supervisor.stdout.on('data', (chunk) => (said.out += chunk))
    supervisor.stderr.on('data', (chunk) => (said.err += chunk))
    return said
  }
  const one = await run({})
  const several = await run({ FLO_PROCESSES: '2' })
  const at = await eventually(() => /listens on (\S+)/.exec(one.out)?.[1])
  expect((await fetch(`${at}/readyz`)).status).toBe(200)
  expect(await eventually(() => several.err)).toMatch(/^FLO_PROCESSES: this process is a worker of node:cluster .+\n$/)
})
