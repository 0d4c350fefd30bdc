import { createSocket } from 'node:dgram'
import { type AddressInfo, createServer, isIPv6, type Socket } from 'node:net'
import { afterwards } from './afterwards.ts'

/** What the server says of a name. `*`: of one that it was told nothing of, which else does not exist; the root's name is empty. */
export interface NameBehaviour {
  /** IPv4 and IPv6 addresses. */
  addresses?: string[]
  ttlSeconds?: number
  /** Never answers, or not for this type. */
  silent?: boolean | 'A' | 'AAAA'
  delayMs?: number
  /** 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
  code?: number
  /** Says over UDP that the answer is too long, so that it is asked for again over TCP. */
  truncated?: boolean
}

interface Asker {
  over: 'udp' | 'tcp'
  port: number
}

const TYPES: Record<number, 'A' | 'AAAA'> = { 1: 'A', 28: 'AAAA' }

/** A name server on a free port of 127.0.0.1, over UDP and TCP, that keeps what it was asked; closed after the test or file. */
export async function startNameServer(names: Record<string, NameBehaviour> = {}) {
  /** `port`: of the socket that asked. */
  const asked: { name: string; type: string; over: 'udp' | 'tcp'; port: number }[] = []
  const timers = new Set<NodeJS.Timeout>()
  const answer = (query: Buffer, { over, port }: Asker, send: (reply: Buffer) => void) => {
    const { name, type, end } = readQuestion(query)
    asked.push({ name, type, over, port })
    const behaviour = names[name] ?? names['*'] ?? { code: 3 }
    if (behaviour.silent === true || behaviour.silent === type) return
    const reply = writeReply(query.subarray(0, end), behaviour, { type, over })
    const timer = setTimeout(() => {
      timers.delete(timer)
      send(reply)
    }, behaviour.delayMs ?? 0)
    timers.add(timer)
  }

  const udp = createSocket('udp4')
  udp.on('message', (query, from) =>
    answer(query, { over: 'udp', port: from.port }, (reply) => udp.send(reply, from.port, from.address)),
  )
  const sockets = new Set<Socket>()
  const tcp = createServer((socket) => {
    sockets.add(socket)
    let read: Buffer = Buffer.alloc(0)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      read = Buffer.concat([read, chunk])
      while (read.length >= 2 && read.length >= 2 + read.readUInt16BE(0)) {
        const length = read.readUInt16BE(0)
        answer(read.subarray(2, 2 + length), { over: 'tcp', port: socket.remotePort ?? 0 }, (reply) => {
          const size = Buffer.alloc(2)
          size.writeUInt16BE(reply.length)
          socket.write(Buffer.concat([size, reply]))
        })
        read = read.subarray(2 + length)
      }
    })
  })
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
  const { port } = tcp.address() as AddressInfo
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve))
  afterwards(async () => {
    for (const timer of timers) clearTimeout(timer)
    for (const socket of sockets) socket.destroy()
    tcp.close()
    udp.close()
  })
  return { address: `127.0.0.1:${port}`, names, asked }
}

function readQuestion(query: Buffer) {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), type: TYPES[query.readUInt16BE(at + 1)] ?? 'other', end: at + 5 }
}

function writeReply(
  question: Buffer,
  { addresses = [], ttlSeconds = 60, code = 0, truncated = false }: NameBehaviour,
  { type, over }: { type: string; over: 'udp' | 'tcp' },
): Buffer {
  const isCut = truncated && over === 'udp'
  const records = isCut || code !== 0 ? [] : addresses.filter((address) => (isIPv6(address) ? 'AAAA' : 'A') === type)
  const head = Buffer.from(question)
  head.writeUInt16BE(0x8180 | (isCut ? 0x0200 : 0) | code, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(records.length, 6)
  head.writeUInt16BE(0, 8)
  head.writeUInt16BE(0, 10)
  return Buffer.concat([head, ...records.map((address) => writeRecord(address, ttlSeconds))])
}

function writeRecord(address: string, ttlSeconds: number): Buffer {
  const bytes = isIPv6(address) ? v6Bytes(address) : Buffer.from(address.split('.').map(Number))
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(isIPv6(address) ? 28 : 1, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(ttlSeconds, 6)
  head.writeUInt16BE(bytes.length, 10)
  return Buffer.concat([head, bytes])
}

function v6Bytes(address: string): Buffer {
  const [left = '', right] = address.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const tail = groups(right ?? '')
  const head = groups(left)
  const all = [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail]
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}
