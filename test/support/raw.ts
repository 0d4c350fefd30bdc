import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Json } from '../../src/domain/json.ts'

/** A reply to bytes that no HTTP client would send. */
export interface RawReply {
  status: number
  /** The body as JSON where it is JSON, else as text. */
  body: Json
  text: string
}

/**
 * Writes the bytes as they are, in one go or piece by piece, and reads until the first reply is whole, the gateway hangs up, or
 * `patienceMs` have passed. Status 0: there was no reply.
 */
export async function raw(
  url: string,
  bytes: string | Buffer | Iterable<string | Buffer>,
  { patienceMs = 30_000, pauseMs = 0 } = {},
): Promise<RawReply> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  socket.on('error', () => {})
  let text = ''
  const whole = new Promise<void>((resolve) => {
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
      if (replies(text).length > 0) resolve()
    })
    socket.once('close', () => resolve())
  })
  await Promise.race([once(socket, 'connect'), whole])
  const sending = write(socket, typeof bytes === 'string' || Buffer.isBuffer(bytes) ? [bytes] : bytes, pauseMs)
  await Promise.race([whole, delay(patienceMs, undefined, { ref: false })])
  socket.destroy()
  await sending
  const [first] = replies(text)
  return first ?? { status: 0, body: undefined, text }
}

async function write(socket: ReturnType<typeof connect>, pieces: Iterable<string | Buffer>, pauseMs: number) {
  for (const piece of pieces) {
    if (socket.destroyed) return
    if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {})
    if (pauseMs > 0) await delay(pauseMs)
  }
}

/** The whole replies in what was read of a connection. */
export function replies(text: string): RawReply[] {
  const found: RawReply[] = []
  for (let rest = text; ; ) {
    const [head, status] = /^HTTP\/1\.1 (\d{3})[\s\S]*?\r\n\r\n/.exec(rest) ?? []
    if (!head) return found
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
    const body = rest.slice(head.length, head.length + length)
    if (Buffer.byteLength(body) < length) return found
    found.push({ status: Number(status), body: parsed(body), text: head + body })
    rest = rest.slice(head.length + length)
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}
