import { createServer, type Socket } from 'node:net'
import { answerParent, cpuUsage } from './child.ts'
import { percentileOf } from './figures.ts'

// Bare sockets, so that the receiver takes as little as possible of the machine that it helps to measure.
const REPLY = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok'
const HEAD_END = Buffer.from('\r\n\r\n')
const nowMs = () => performance.timeOrigin + performance.now()

let count = 0
let waiting: { at: number; reached: () => void }[] = []
let latencies: number[] | null = null
let marked = ''
const hanging = new Set<Socket>()

/** Every complete request of what has arrived, and what is left over. */
function takeDelivery(socket: Socket, bytes: Buffer): Buffer {
  for (;;) {
    const head = bytes.indexOf(HEAD_END)
    if (head < 0) return bytes
    const text = bytes.toString('latin1', 0, head)
    const length = Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? 0)
    const end = head + HEAD_END.length + length
    if (bytes.length < end) return bytes
    countArrived(socket, text, () => bytes.toString('latin1', head, end))
    bytes = bytes.subarray(end)
  }
}

function countArrived(socket: Socket, head: string, readBody: () => string) {
  if (head.startsWith('POST /hang')) return void hanging.add(socket)
  count += 1
  if (latencies && (marked === '' || head.startsWith(marked))) {
    // stripe-load.ts writes the moment of sending into the ids of its events.
    const sentAt = /user_(\d+)x/.exec(readBody())?.[1]
    if (sentAt) latencies.push(nowMs() - Number(sentAt) / 1000)
  }
  socket.write(REPLY)
  if (waiting.length > 0) {
    for (const { reached } of waiting.filter(({ at }) => count >= at)) reached()
    waiting = waiting.filter(({ at }) => count < at)
  }
}

const untilCount = (at: number) =>
  new Promise<void>((reached) => {
    if (count >= at) reached()
    else waiting.push({ at, reached })
  })

/** Deliveries per second of the next `n` after `skip` ones; those that have not come by then count for `timeoutSeconds`. */
async function rateOf(skip: number, n: number, timeoutSeconds: number) {
  const base = count
  const late = new Promise<void>((resolve) => setTimeout(resolve, timeoutSeconds * 1000).unref())
  await Promise.race([untilCount(base + skip), late])
  const [start, from] = [performance.now(), count]
  await Promise.race([untilCount(base + skip + n), late])
  const seconds = (performance.now() - start) / 1000
  return { perSecond: (count - from) / seconds, seconds, deliveries: count - from }
}

const commands = {
  rate: rateOf,
  usage: cpuUsage,
  count: () => count,
  /** Resolves when so many have arrived since the start of the process. */
  reach: untilCount,
  /** From now on latencies are taken, of requests whose head starts with `head` when that is given. */
  watch(head = '') {
    latencies = []
    marked = head
  },
  latencies() {
    const taken = latencies ?? []
    latencies = null
    return { count: taken.length, p50: percentileOf(taken, 50), p99: percentileOf(taken, 99) }
  },
}
export type Receiver = typeof commands

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    rest = takeDelivery(socket, rest.length === 0 ? chunk : Buffer.concat([rest, chunk]))
  })
  socket.on('error', () => {})
  socket.on('close', () => hanging.delete(socket))
})
server.listen(0, '127.0.0.1', () => {
  answerParent({ url: `http://127.0.0.1:${(server.address() as { port: number }).port}` }, commands)
})
