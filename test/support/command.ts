import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Runs `src/cli/<name>.ts` in `folder` with nothing in its environment but `env`, to its end. */
export async function runCommand(name: string, folder: string, env: Record<string, string> = {}) {
  const file = fileURLToPath(new URL(`../../src/cli/${name}.ts`, import.meta.url))
  const child = spawn(process.execPath, [file], { cwd: folder, env: { PATH: process.env.PATH, ...env } })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (said.stdout += chunk))
  child.stderr.on('data', (chunk) => (said.stderr += chunk))
  const [code] = await once(child, 'close')
  return { code: code as number, ...said }
}
