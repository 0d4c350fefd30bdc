import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isProcessAlive, readPidFile, servesFolder } from '../../src/embedded-postgres/pid-file.ts'
import { afterwards } from './afterwards.ts'
import { compiled } from './compiled.ts'
import { eventually } from './eventually.ts'
import { present } from './present.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** The gateway as a process of its own, in `folder`, with nothing in its environment but `env`. Killed afterwards. */
export function runGateway(folder: string, env: Record<string, string> = {}) {
  const child: ChildProcess = spawn(process.execPath, [MAIN], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      ...compiled,
      PORT: '0',
      LOG_LEVEL: 'warn',
      FLO_ALLOWED_SUBNETS: '127.0.0.0/8',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { stdout: '', stderr: '' }
  present(child.stdout).on('data', (chunk) => (said.stdout += chunk))
  present(child.stderr).on('data', (chunk) => (said.stderr += chunk))
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }))
  const pgDir = join(folder, '.flo-gateway', 'pg')
  const postmaster = () => readPidFile(pgDir)
  afterwards(async () => {
    const orphan = await postmaster()
    child.kill('SIGKILL')
    if (orphan && isProcessAlive(orphan.pid)) {
      process.kill(orphan.pid, 'SIGQUIT')
      await eventually(async () => !(await servesFolder(orphan.pid, pgDir)))
    }
  })
  return {
    child,
    said,
    /** Exit code and everything it said. */
    ended,
    /** The embedded server that serves the folder now. */
    postmaster,
    /** Waits until it listens, and returns where. */
    async listening(): Promise<string> {
      const early = ended.then(({ code }) => {
        throw new Error(`It ended with ${code}: ${said.stderr}`)
      })
      return Promise.race([eventually(() => /listens on (\S+)/.exec(said.stdout)?.[1]), early])
    },
    adminKey: () => /Admin key[^:]*: (\S+)/.exec(said.stdout)?.[1],
  }
}

/** One request to the management API of a gateway. */
export async function call({ url, key }: { url: string; key: string }, method: string, path: string, body?: unknown) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined }
}
