import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '../errors.ts'
import type { Log } from '../log.ts'
import { version } from '../version.ts'
import { createGrowingPause, type GrowingPause } from '../workers/growing-pause.ts'
import { type ChildArguments, writeChildArguments } from './arguments.ts'
import type { ChildCalls, ParentCalls, StartFailure } from './calls.ts'
import { type Channel, openChannel } from './channel.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const PING_MS = 1_000
/** A child that has not answered so many pings in a row hangs: its leases have long been taken by others. */
const PINGS_MISSED = 30
/** The first replacement comes at once; one that ends again and again must not keep the machine busy with starting it. */
const PAUSE = { firstMs: 100, longestMs: 30_000 }
/** Whoever has lived for so long did not end because of its start. */
const STEADY_MS = 60_000

/** A child process that lives. */
export interface LivingChild {
  /** "1", "2", ...: a replacement has the name of the one it replaces. */
  name: string
  /** Of this one alone. */
  id: string
  channel: Channel<ChildCalls>
}

/** What a parent answers its children; `asker` is the child that asks. */
export type ParentAnswers = {
  [Name in Exclude<keyof ParentCalls, `tell${string}`>]: (
    asker: LivingChild,
    argument: Parameters<ParentCalls[Name]>[0],
  ) => ReturnType<ParentCalls[Name]>
}

interface ChildrenDeps {
  log: Log
  count: number
  /** 0: any free one, the same for all. */
  port: number
  answers: ParentAnswers
  onStarted: (child: LivingChild) => void
  /** It has ended without being asked to. */
  onEnded: (child: LivingChild) => void
}

export interface Children {
  /** Where they listen, once one has taken the port for all. Rejects when one of them ends before that. */
  listening: Promise<string>
  /** Settles when all are ready for the first time; rejects when one of them ends before that. */
  ready: Promise<void>
  /** Those that are ready at present. */
  listReady(): LivingChild[]
  /** Has all of them drain, or ends them where they have not started yet; settles when they have ended. */
  stop(): Promise<void>
  /** Ends all of them at once. */
  kill(): void
}

interface Child extends LivingChild {
  worker: Worker
  startedAt: number
  url?: string
  isReady: boolean
  failure?: StartFailure
  isPinged: boolean
  pingsMissed: number
}

/** A place among the processes, and who has it. */
interface Place {
  name: string
  pause: GrowingPause
  child: Child | null
  /** Until the next one is started. */
  waiting?: NodeJS.Timeout
}

/**
 * Starts the child processes of a gateway, which share one port by node:cluster. One that ends is replaced, with a pause that grows;
 * before all were ready once, it is the failure of the start.
 */
export function startChildren(deps: ChildrenDeps): Children {
  const { log } = deps
  const places = Array.from({ length: deps.count }, (_, at): Place => {
    return { name: String(at + 1), pause: createGrowingPause(PAUSE), child: null }
  })
  const listening = Promise.withResolvers<string>()
  const ready = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  let { port } = deps
  let isStarted = false
  let isStopping = false
  const listChildren = () => places.flatMap(({ child }) => child ?? [])
  const failStart = (error: Error) => {
    listening.reject(error)
    ready.reject(error)
  }
  // Both tell of one failure, and a start that fails looks at one of them.
  for (const { promise } of [listening, ready]) promise.catch(() => {})

  const fillPlace = (place: Place) => {
    const child = forkChild(
      { process: place.name, port, version, isReplacement: isStarted },
      {
        answers: deps.answers,
        onListening: listening.resolve,
        onReady() {
          log.info({ child: place.name, childPid: child.worker.process.pid }, 'process.ready')
          isStarted ||= listChildren().length === places.length && listChildren().every(({ isReady }) => isReady)
          if (isStarted) ready.resolve()
        },
      },
    )
    place.child = child
    child.worker.process.once('exit', (code, signal) => leavePlace(place, child, { code, signal }))
    deps.onStarted(child)
  }
  const leavePlace = (place: Place, child: Child, end: ProcessEnd) => {
    place.child = null
    child.channel.close()
    // Port 0 is a port of its own choosing for as long as somebody shares it.
    if (child.url && !listChildren().some(({ url }) => url)) port = Number(new URL(child.url).port)
    if (isStopping) {
      if (listChildren().length === 0) gone.resolve()
      return
    }
    if (!isStarted) return failStart(explainStartFailure(child, end))
    deps.onEnded(child)
    if (performance.now() - child.startedAt > STEADY_MS) place.pause.reset()
    const pauseMs = place.pause.next()
    logEnd(child, { ...end, replacedInMs: pauseMs }, log)
    place.waiting = setTimeout(() => fillPlace(place), pauseMs)
  }
  const pings = setInterval(() => {
    for (const child of listChildren()) pingChild(child, log)
  }, PING_MS)

  for (const place of places) fillPlace(place)
  return {
    listening: listening.promise,
    ready: ready.promise,
    listReady: () => listChildren().filter(({ isReady }) => isReady),
    async stop() {
      isStopping = true
      for (const { waiting } of places) clearTimeout(waiting)
      if (listChildren().length === 0) gone.resolve()
      // Its answer is its end.
      for (const { channel, worker } of listChildren())
        if (isStarted) channel.ask('stop', null).catch(() => {})
        else worker.process.kill('SIGKILL')
      await gone.promise
      clearInterval(pings)
    },
    kill() {
      isStopping = true
      clearInterval(pings)
      for (const { waiting } of places) clearTimeout(waiting)
      for (const { worker } of listChildren()) worker.process.kill('SIGKILL')
    },
  }
}

interface ForkEvents {
  answers: ParentAnswers
  onListening: (url: string) => void
  onReady: () => void
}

function forkChild(argument: ChildArguments, { answers, onListening, onReady }: ForkEvents): Child {
  cluster.schedulingPolicy = cluster.SCHED_RR
  cluster.setupPrimary({ exec: MAIN, args: writeChildArguments(argument) })
  const worker = cluster.fork()
  // A message to one that has just ended: its end is told by `exit`.
  worker.on('error', () => {})
  const own: ParentCalls = {
    tellListening(url) {
      child.url = url
      onListening(url)
    },
    tellReady() {
      child.isReady = true
      onReady()
    },
    tellFailure(failure) {
      child.failure = failure
    },
    awaitDatabase: (none) => answers.awaitDatabase(child, none),
    renderMetrics: (shown) => answers.renderMetrics(child, shown),
    readReadiness: (none) => answers.readReadiness(child, none),
    countRequest: (request) => answers.countRequest(child, request),
  }
  const child: Child = {
    ...{ name: argument.process, id: String(worker.id), worker, startedAt: performance.now() },
    ...{ isReady: false, isPinged: false, pingsMissed: 0 },
    channel: openChannel<ChildCalls, ParentCalls>(worker.process, own),
  }
  return child
}

/** One that does not answer for long is ended, and so replaced: it would keep its share of the requests waiting. */
function pingChild(child: Child, log: Log): void {
  if (child.isPinged) {
    child.pingsMissed += 1
    if (child.pingsMissed !== PINGS_MISSED) return
    log.error({ child: child.name, childPid: child.worker.process.pid, seconds: PINGS_MISSED }, 'process.hangs')
    child.worker.process.kill('SIGKILL')
    return
  }
  child.isPinged = true
  child.channel
    .ask('answerPing', null)
    .then(() => Object.assign(child, { isPinged: false, pingsMissed: 0 }))
    .catch(() => {})
}

interface ProcessEnd {
  code: number | null
  signal: NodeJS.Signals | null
}

function describeEnd({ code, signal }: ProcessEnd): string {
  if (signal === 'SIGKILL') return 'killed: by somebody, or by the system for want of memory'
  if (signal === 'SIGABRT') return 'aborted: for want of memory, mostly; standard error says it'
  return signal ? `ended by ${signal}` : `exit code ${code}`
}

function logEnd(
  { name, worker, failure, pingsMissed }: Child,
  end: ProcessEnd & { replacedInMs: number },
  log: Log,
): void {
  const hung = pingsMissed >= PINGS_MISSED && `it has not answered for ${PINGS_MISSED} s, and was ended`
  const reason = failure?.message || hung || describeEnd(end)
  const about = { child: name, childPid: worker.process.pid, ...end, reason }
  log.error(about, failure ? 'process.not_started' : 'process.ended')
}

function explainStartFailure({ name, failure }: Child, end: ProcessEnd): Error {
  if (!failure) return new Error(`Process ${name} has ended during its start (${describeEnd(end)}).`)
  if (failure.isConfig) return new ConfigError(failure.message)
  return Object.assign(new Error(failure.message), { stack: failure.stack })
}
