import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childFlags } from './child.ts'
import { openLogFile } from './log-file.ts'
import { processorSeconds, residentMb } from './processor.ts'
import { ENCRYPTION_KEYS } from './seed.ts'

const inBench = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Of all processes of a gateway. */
interface Usage {
  /** Processor time so far. */
  cpuSeconds: number
  /** Memory now. */
  rssMb: number
  /** SQL statements sent so far. */
  statements: number
  /** Written to its log so far. */
  logBytes: number
}

/** A gateway, ours or the plain one, as a process of its own. */
export interface Server {
  /** Of its webhooks: the id of a source follows. */
  url: string
  pid: number
  usage(): Promise<Usage>
  stop(): Promise<void>
}

/** What is set for the program beside its database: `{ FLO_PROCESSES: '2' }`. */
export type Environment = Record<string, string>

/**
 * The gateway as `npm start` runs it, with nothing else in its environment but `environment`: default log level, its log in a file.
 */
export async function startProgram(databaseUrl: string, environment: Environment = {}): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'flo-gateway-bench-program-'))
  const log = openLogFile()
  const counts = join(folder, 'counts')
  mkdirSync(counts)
  const program = spawn(
    process.execPath,
    [...childFlags, `--import=${inBench('count-statements.ts')}`, inBench('../src/main.ts')],
    {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        PORT: '0',
        DATABASE_URL: databaseUrl,
        FLO_ENCRYPTION_KEYS: ENCRYPTION_KEYS,
        FLO_ALLOWED_SUBNETS: '127.0.0.0/8',
        BENCH_COUNTS: counts,
        ...environment,
      },
      stdio: ['ignore', 'pipe', log.fd],
    },
  )
  const ended = once(program, 'exit')
  // However the row ends, nothing of it is left.
  const endProgram = () => {
    program.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', endProgram)
  const url = await new Promise<string>((resolve, reject) => {
    let said = ''
    program.stdout?.on('data', (chunk) => {
      said += chunk
      const listening = /listens on (\S+)/.exec(said)?.[1]
      if (listening) resolve(listening)
    })
    void ended.then(([code, signal]) =>
      reject(new Error(`the gateway ended early (${signal ?? code}): ${log.readTail()}`)),
    )
  })
  const pid = program.pid ?? Number.NaN
  return {
    url: `${url}/webhooks/stripe/`,
    pid,
    async usage() {
      const numbers = readdirSync(counts).map((file) => Number(readFileSync(join(counts, file), 'utf8')))
      return {
        cpuSeconds: processorSeconds(pid),
        rssMb: residentMb(pid),
        statements: numbers.reduce((sum, count) => sum + count, 0),
        logBytes: log.size(),
      }
    },
    async stop() {
      program.kill('SIGTERM')
      await ended
      log.close()
      process.off('exit', endProgram)
      endProgram()
    },
  }
}
