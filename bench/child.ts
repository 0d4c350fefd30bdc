import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { openLogFile } from './log-file.ts'

/** A process of its own: what it said when it was ready, a way to ask it things, and its end. */
export interface Child<Ready, Commands extends Answers> {
  ready: Ready
  pid: number
  ask<Name extends keyof Commands & string>(
    name: Name,
    ...args: Parameters<Commands[Name]>
  ): Promise<Awaited<ReturnType<Commands[Name]>>>
  stop(): Promise<void>
}
// Parameters of functions are checked the other way round: `never` is what every command's arguments fit.
type Answers = Record<string, (...args: never[]) => unknown>

/** What a child tells its parent: that it is ready, or the answer to a question. */
interface ChildMessage {
  id: number
  ready?: { value: unknown }
  result?: unknown
  error?: string
}

/** Node's own flags for the children, e.g. `--cpu-prof`. */
export const childFlags: string[] = []

/** Starts `bench/<script>` with `config`, its log in a file as in operation; rejects when it ends before it is ready. */
export async function startChild<Ready, Commands extends Answers>(
  script: string,
  config: object = {},
): Promise<Child<Ready, Commands>> {
  const log = openLogFile()
  const process_ = fork(fileURLToPath(new URL(script, import.meta.url)), [JSON.stringify(config)], {
    execArgv: childFlags,
    stdio: ['ignore', 'inherit', log.fd, 'ipc'],
    serialization: 'advanced',
  })
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  const started = Promise.withResolvers<Ready>()
  process_.on('message', ({ id, ready, result, error }: ChildMessage) => {
    if (ready) started.resolve(ready.value as Ready)
    else if (error) waiting.get(id)?.reject(new Error(`${script}: ${error}`))
    else waiting.get(id)?.resolve(result)
  })
  process_.on('exit', (code, signal) => {
    const error = new Error(`${script} ended early (${signal ?? code}): ${log.readTail()}`)
    log.close()
    started.reject(error)
    for (const { reject } of waiting.values()) reject(error)
  })
  const ready = await started.promise
  let asked = 0
  return {
    ready,
    pid: process_.pid ?? Number.NaN,
    ask: (name, ...args) =>
      new Promise((resolve, reject) => {
        waiting.set(++asked, { resolve: resolve as (value: unknown) => void, reject })
        process_.send({ id: asked, name, args })
      }),
    async stop() {
      if (process_.exitCode !== null || process_.signalCode !== null) return
      waiting.clear()
      process_.disconnect()
      await once(process_, 'exit')
    },
  }
}

/** The other side: tells the parent that we are ready, answers what it asks, and ends when it lets go. */
export function answerParent(ready: unknown, commands: Answers): void {
  process.on('message', async ({ id, name, args }: { id: number; name: string; args: never[] }) => {
    try {
      const command = commands[name]
      if (!command) throw new Error(`There is no command ${name}.`)
      process.send?.({ id, result: await command(...args) })
    } catch (error) {
      process.send?.({ id, error: (error as Error).stack })
    }
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.({ ready: { value: ready } })
}

/** What the parent handed over. */
export const readConfigOf = <T>(): T => JSON.parse(process.argv[2] ?? '{}') as T

/** What this process has used so far. */
export const cpuUsage = () => {
  const { user, system } = process.cpuUsage()
  return { cpuSeconds: (user + system) / 1e6, rssMb: Math.round(process.memoryUsage.rss() / 1024 / 1024) }
}
