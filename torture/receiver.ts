import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { clientOfName, clientOfPath } from './names.ts'

/** One delivery as it arrived. */
export interface Arrival {
  deliveryId: string
  /** 1-based. */
  attempt: number
  /** Whose event it is: the number that its sender gave it. */
  user: string
  /** It came to an endpoint of another client. */
  isAstray: boolean
  /** When it arrived; milliseconds since 1970. */
  at: number
  /** The second in which it was signed, from its signature: earlier than `at` where the receiver or the machine is busy. */
  sentAt: number
  /** It is the first that its connection carried. */
  isOnNew: boolean
  /** It was reset on a connection that had carried another before: the gateway sends it once more on a new one, as the same attempt. */
  isLostOnKept: boolean
}

/** What a receiver does beside taking the delivery and answering with 200. */
export type AnswerManner = 'well' | 'refuse' | 'reset' | 'half a head' | 'half a body' | 'drip' | 'late'

/** The manners that end in a failed attempt; of `half a body` the status line has said that all is well. */
export const BAD: readonly AnswerManner[] = ['refuse', 'reset', 'half a head', 'drip', 'late']

export interface Receiver {
  url: string
  /** In the order of arrival. */
  arrivals: Arrival[]
  /** Users whose event has arrived at their own client's endpoint and was answered well. */
  served: Set<string>
  behave(next: (arrival: Arrival) => AnswerManner): void
  stop(): Promise<void>
}

/** Endpoints of all clients, on a free port of 127.0.0.1: one path for each. */
export async function startReceiver(
  behave: (arrival: Arrival) => AnswerManner = () => 'well',
  { lateMs = 1500 } = {},
): Promise<Receiver> {
  const arrivals: Arrival[] = []
  const served = new Set<string>()
  let manner = behave
  const used = new WeakSet<Socket>()
  const server = createServer({ keepAliveTimeout: 60_000 }, async (request, answer) => {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk)
    } catch {
      // The process that sent it was killed in the middle.
      return
    }
    const { user } = JSON.parse(Buffer.concat(chunks).toString())
    const { headers } = request
    const arrival = {
      deliveryId: String(headers['webhook-id']),
      attempt: Number(headers['flo-delivery-attempt']),
      user: user.clientUserId,
      isAstray: clientOfPath(request.url ?? '') !== clientOfName(String(user.clientUserId)),
      at: Date.now(),
      sentAt: 1000 * Number(/\bt=(\d+)/.exec(String(headers['flo-signature']))?.[1]),
      isOnNew: !used.has(request.socket),
      isLostOnKept: false,
    }
    arrivals.push(arrival)
    const told = manner(arrival)
    arrival.isLostOnKept = told === 'reset' && !arrival.isOnNew
    used.add(request.socket)
    const takes = () => arrival.isAstray || served.add(arrival.user)
    if (!BAD.includes(told)) takes()
    await answerLike(told, request, answer, lateMs).catch(() => {})
    // A gateway that stood still itself counts no time meanwhile, and takes an answer that is late for others.
    if (told === 'late' && answer.writableEnded && !request.socket.destroyed) takes()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    arrivals,
    served,
    behave(next) {
      manner = next
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answerLike(told: AnswerManner, { socket }: IncomingMessage, answer: ServerResponse, lateMs: number) {
  switch (told) {
    case 'well':
      return void answer.end('ok')
    case 'refuse':
      return void answer.writeHead(500).end('not now')
    case 'reset':
      return void socket.resetAndDestroy()
    case 'half a head':
      return void socket.end('HTTP/1.1 200 O')
    case 'half a body':
      return void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nthe connection ends he')
    case 'late':
      await delay(lateMs, undefined, { ref: false })
      return void (socket.destroyed || answer.end('at last'))
    case 'drip':
      // A slow loris: a byte now and then, so that no time-out between two bytes ever strikes.
      socket.write('HTTP/1.1 200 OK\r\n')
      while (!socket.destroyed) {
        socket.write('x')
        await delay(100, undefined, { ref: false })
      }
  }
}
