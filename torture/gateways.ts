import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { compiled } from '../test/support/compiled.ts'
import { present } from '../test/support/present.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/** A process that ended by itself. `atWork`: it had listened; one that starts while the database is away gives up at once. */
export interface Crash {
  wasListening: boolean
  message: string
}

/** A gateway process that is started again, as a supervisor does, for as long as it is wanted. */
export interface GatewayProcess {
  /** Where it listens; null while it does not. */
  url(): string | null
  pid(): number
  /** `kill -9`, and a new process in its place. Returns when the old one is gone. */
  kill(): Promise<void>
  crashes: Crash[]
  /** When it noticed that its session with the database was lost, and with it all leases; milliseconds since 1970. */
  sessionLosses: number[]
  stop(): Promise<void>
}

/** A gateway in `folder` with nothing in its environment but `env`. Returns before it listens. */
export function runGateway(folder: string, env: Record<string, string>): GatewayProcess {
  let child: ChildProcess
  let url: string | null = null
  let isWanted = true
  let killed = false
  const crashes: Crash[] = []
  const sessionLosses: number[] = []

  const startChild = () => {
    killed = false
    const started = spawn(process.execPath, [MAIN], {
      cwd: folder,
      env: { PATH: process.env.PATH, ...compiled, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    let log = ''
    started.stdout.on('data', (chunk) => {
      said += chunk
      // Its last words may come after its end.
      if (started === child && started.exitCode === null && started.signalCode === null)
        url ??= /listens on (\S+)/.exec(said)?.[1] ?? null
    })
    createInterface(started.stderr).on('line', (line) => {
      log = `${log}${line}\n`.slice(-4000)
      if (line.includes('"worker.session_lost"')) sessionLosses.push(Number(/"time":(\d+)/.exec(line)?.[1]))
    })
    started.once('exit', (code, signal) => {
      if (started !== child) return
      const atWork = url !== null
      url = null
      if (!isWanted) return
      if (!killed) crashes.push({ wasListening: atWork, message: `ended with ${code ?? signal}: ${log.trim()}` })
      // A database that is away is told at once: give it a moment.
      setTimeout(() => isWanted && startChild(), killed ? 0 : 500)
    })
    child = started
  }
  startChild()
  const endChild = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }
  return {
    url: () => url,
    pid: () => present(child.pid),
    crashes,
    sessionLosses,
    async kill() {
      killed = true
      await endChild('SIGKILL')
    },
    async stop() {
      isWanted = false
      await endChild('SIGKILL')
    },
  }
}
