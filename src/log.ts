import { type LoggerOptions, pino } from 'pino'

/** PIPE_BUF of Linux: a write of so much comes out of a pipe in one piece. */
const ATOMIC_WRITE_BYTES = 4096
/** Lines are written together, since a write for each would cost more than the line; none waits for longer than this. */
const FLUSH = { bytes: 2048, everyMs: 100 }

/**
 * The log of a process: JSON lines on standard error, standard output belongs to the person at the terminal. Errors of which
 * `isOutage` says that something is away for now are thinned out where they repeat. `isShared`: other processes write to the same
 * pipe, which keeps no more than 4 KiB of one write together.
 */
export const newLog = (
  level: string,
  { isOutage, isShared = false }: { isOutage?: (error: unknown) => boolean; isShared?: boolean } = {},
) =>
  pino(
    {
      level,
      redact: ['req.headers.authorization', 'req.headers["stripe-signature"]'],
      ...(isOutage ? { hooks: { logMethod: thinRepeated(isOutage) } } : {}),
    },
    pino.destination({
      ...{ fd: 2, sync: false, minLength: FLUSH.bytes, periodicFlush: FLUSH.everyMs },
      ...(isShared && { maxWrite: ATOMIC_WRITE_BYTES }),
    }),
  )

export type Log = ReturnType<typeof newLog>

type LogMethod = NonNullable<NonNullable<LoggerOptions['hooks']>['logMethod']>

const PAUSE_MS = { first: 1_000, longest: 60_000 }

/** How often a line of one kind was held back, and until when. */
interface Repetition {
  pauseMs: number
  until: number
  withheld: number
}

/**
 * For pino's `logMethod`: of lines that say of one outage (the same message, the same code of `err`), the first is written, then
 * one after a pause that doubles up to a minute, with how many were left out in between as `withheld`. While a database or a node
 * is away every client has the same trouble.
 */
export function thinRepeated(isOutage: (error: unknown) => boolean, now = Date.now): LogMethod {
  const repetitions = new Map<string, Repetition>()
  return function (args, method) {
    const [fields, message] = args as unknown[]
    const error = (fields as { err?: unknown } | null)?.err
    if (error === undefined || !isOutage(error)) return method.apply(this, args)
    const key = `${message} ${(error as { code?: unknown }).code}`
    const known = repetitions.get(key)
    const at = now()
    if (known && at < known.until) {
      known.withheld += 1
      return
    }
    // Quiet for as long again as it was withheld for: it is another outage.
    const isOver = !known || at > known.until + known.pauseMs
    const pauseMs = isOver ? PAUSE_MS.first : Math.min(2 * known.pauseMs, PAUSE_MS.longest)
    const withheld = known?.withheld ?? 0
    repetitions.set(key, { pauseMs, until: at + pauseMs, withheld: 0 })
    if (withheld === 0) return method.apply(this, args)
    const [, ...rest] = args as unknown[]
    return method.apply(this, [{ ...(fields as object), withheld }, ...rest] as unknown as typeof args)
  }
}
