/** Functions that the other side may call; arguments and results are what can be sent: plain data. */
type Calls<T> = { [Name in keyof T]: (argument: never) => unknown }

/** The other side of a channel. */
export interface Channel<Other extends Calls<Other>> {
  /** Calls a function of the other side. Rejects with its error, when the channel is closed, and after `waitMs` if there is one. */
  ask<Name extends keyof Other & string>(
    name: Name,
    argument: Parameters<Other[Name]>[0],
    options?: { waitMs?: number },
  ): Promise<Awaited<ReturnType<Other[Name]>>>
  /** The other side has ended: whatever waits for it rejects. */
  close(): void
}

/** A process of the other side, or this one: what Node's IPC has on both ends. */
interface Ends {
  send?: (message: object, onSent: (error: Error | null) => void) => unknown
  on(event: 'message', listener: (message: unknown) => void): unknown
}

interface Asked {
  ask: number
  name: string
  argument: unknown
}

interface Answered {
  answer: number
  result?: unknown
  error?: string
}

const isAsked = (message: unknown): message is Asked => typeof (message as Asked | null)?.ask === 'number'
const isAnswered = (message: unknown): message is Answered => typeof (message as Answered | null)?.answer === 'number'

/** Calls between parent and child over Node's IPC: `own` answers the other side. */
export function openChannel<Other extends Calls<Other>, Own extends Calls<Own> = Calls<object>>(
  ends: Ends,
  own: Own,
): Channel<Other> {
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()
  let asked = 0
  let isClosed = false

  const answerCall = async ({ ask: id, name, argument }: Asked) => {
    const answer: Answered = { answer: id }
    try {
      const call: ((argument: never) => unknown) | undefined = own[name as keyof Own]
      if (!call) throw new Error(`There is no function ${name}.`)
      answer.result = await call(argument as never)
    } catch (error) {
      answer.error = (error as Error).message
    }
    // Nobody waits for the answer when the other side has ended.
    ends.send?.(answer, () => {})
  }
  const settleCall = ({ answer: id, result, error }: Answered) => {
    const caller = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) caller?.resolve(result as never)
    else caller?.reject(new Error(error))
  }
  ends.on('message', (message) => {
    if (isAsked(message)) void answerCall(message)
    else if (isAnswered(message)) settleCall(message)
  })

  return {
    ask(name, argument, { waitMs } = {}) {
      const id = ++asked
      const { promise, resolve, reject } = Promise.withResolvers<never>()
      waiting.set(id, { resolve, reject })
      const timer = waitMs && setTimeout(() => reject(new Error(`No answer to ${name} in ${waitMs} ms.`)), waitMs)
      if (isClosed) reject(new Error('The other side has ended.'))
      else ends.send?.({ ask: id, name, argument } satisfies Asked, (error) => error && reject(error))
      return promise.finally(() => {
        clearTimeout(timer)
        waiting.delete(id)
      })
    },
    close() {
      isClosed = true
      for (const { reject } of waiting.values()) reject(new Error('The other side has ended.'))
    },
  }
}
