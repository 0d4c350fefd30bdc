import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { answerParent, readConfigOf } from './child.ts'
import { countSockets } from './sockets.ts'

/** One who means harm: with a key, or without one. Every attack ends by itself. */
const { url } = readConfigOf<{ url: string }>()
const { host, hostname, port } = new URL(url)

export interface AttackRequest {
  method: string
  path: string
  key: string
  body?: string
  headers?: Record<string, string>
}

const render = ({ method, path, key, body = '', headers = {} }: AttackRequest): string => {
  const more = Object.entries(headers).map(
    ([name, value]) => `${name}: ${value.replace('%n%', String(Math.random()))}\r\n`,
  )
  const type = body ? 'content-type: application/json\r\n' : ''
  return `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${key}\r\n${type}content-length: ${Buffer.byteLength(body)}\r\n${more.join('')}\r\n${body}`
}

/** Sends the requests over and over, as fast as the answers come. */
async function hammer(requests: AttackRequest[], seconds: number, concurrency: number) {
  const sockets = new Set<Socket>()
  const send = countSockets(url, sockets)
  const statuses: Record<string, number> = {}
  const end = performance.now() + seconds * 1000
  await Promise.all(
    Array.from({ length: concurrency }, async (_, line) => {
      for (let at = line; performance.now() < end; at += 1) {
        const request = requests[at % requests.length]
        if (!request) return
        const late = new Promise<string>((resolve) => setTimeout(resolve, end - performance.now(), 'unanswered'))
        const reply = await Promise.race([send(render(request)), late])
        const status = /^HTTP\/1.1 (\d+)/.exec(reply)?.[1] ?? (reply === 'unanswered' ? reply : 'cut')
        statuses[status] = (statuses[status] ?? 0) + 1
      }
    }),
  )
  for (const socket of sockets) socket.destroy()
  return statuses
}

/** What is done without a key. Each opens connections again as they are cut. */
const keylessAttacks: Record<string, (socket: Socket, path: string) => void> = {
  'pipelines GET /openapi.json and never reads': (socket) => {
    socket.pause()
    socket.write(`GET /openapi.json HTTP/1.1\r\nhost: ${host}\r\n\r\n`.repeat(500))
  },
  'pipelines the bundle of /docs and closes': (socket) => {
    socket.write(`GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: ${host}\r\n\r\n`.repeat(100))
    setTimeout(() => socket.destroy(), 50)
  },
  'sends Authorization with 15,000 spaces': (socket) => {
    const request = `GET /v1/clients HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer x${' '.repeat(15_000)}y\r\n\r\n`
    socket.on('data', () => socket.write(request))
    socket.write(request)
  },
  'holds idle connections': () => {},
  'sends heads byte by byte': (socket) => {
    const timer = setInterval(() => socket.write('x'), 200)
    socket.write('GET / HTTP/1.1\r\nx-').valueOf()
    socket.on('close', () => clearInterval(timer))
  },
  'sends unsigned bodies of 1 MB': (socket, path) => {
    const head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 1048570\r\n\r\n`
    socket.write(head)
    socket.write(Buffer.alloc(1_048_000, 'x'))
  },
}

async function attackKeyless(
  name: string,
  { seconds, connections, path }: { seconds: number; connections: number; path: string },
) {
  const attack = keylessAttacks[name]
  if (!attack) throw new Error(`There is no attack called ${name}.`)
  const sockets = new Set<Socket>()
  let opened = 0
  const open = () => {
    opened += 1
    const socket = connect({ host: hostname, port: Number(port) })
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('connect', () => attack(socket, path))
    socket.on('data', () => {})
    socket.on('close', () => sockets.delete(socket))
  }
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    while (sockets.size < connections) open()
    await delay(50)
  }
  for (const socket of sockets) socket.destroy()
  return opened
}

const commands = { hammer, attackKeyless, keylessNames: () => Object.keys(keylessAttacks) }
export type Attacker = typeof commands
answerParent({}, commands)
