import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { compiled } from './compiled.ts'

const FILE = fileURLToPath(new URL('../../src/cli/flo-gateway.ts', import.meta.url))

/** Runs `flo-gateway <words>` in `folder` with nothing in its environment but `env`, to its end. A word with spaces needs the list. */
export async function runCommand(words: string | string[], folder: string, env: Record<string, string> = {}) {
  const typed = typeof words === 'string' ? words.split(' ') : words
  const child = spawn(process.execPath, [FILE, ...typed], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...compiled, ...env },
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (said.stdout += chunk))
  child.stderr.on('data', (chunk) => (said.stderr += chunk))
  const [code] = await once(child, 'close')
  return { code: code as number, ...said }
}
