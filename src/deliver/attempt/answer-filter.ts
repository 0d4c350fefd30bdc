import type { Socket } from 'node:net'
import { createInterimSkipper } from './interim-skipper.ts'

/** What a receiver sends in place of an answer. */
class AnswerError extends Error {
  override name = 'AnswerError'
  readonly code: 'FLO_HEAD_TOO_LONG' | 'FLO_BODY_TOO_LONG' | 'FLO_UPGRADED'
  constructor(code: AnswerError['code']) {
    super(code)
    this.code = code
  }
}

/** Bytes of an answer that are read until its head has ended, interim answers and all, and after that, framing and all. */
const HEAD_MAX_BYTES = 64 * 1024
const REST_MAX_BYTES = 256 * 1024
/** Session tickets of TLS for one request, which are no part of what is read; servers send one or two. */
const TICKETS_MAX = 32

/** The answers that come over one connection, one to each request. */
export interface AnswerFilter {
  /** A request is about to be written: what comes from now on answers it. */
  beginAnswer(): void
  /** The head of the final answer has been read. */
  endHead(): void
  /** How many requests were written before the present one. */
  countEarlier(): number
  /** Bytes that have come since the present request. */
  countBytes(): number
}

/**
 * Takes the interim answers (1xx, RFC 9110 15.2) out of what is read of a connection, since undici gives the connection up when
 * one comes that it did not ask for; and destroys the connection when an answer goes on and on
 * (docs/adr/0040-read-answers-through-a-filter.md).
 */
export function filterAnswers(socket: Socket): AnswerFilter {
  const read = socket.read.bind(socket)
  const interim = createInterimSkipper()
  let requests = 0
  let bytes = 0
  let headBytes: number | null = null
  let tickets = 0

  socket.on('session', () => {
    tickets += 1
    if (tickets > TICKETS_MAX) socket.destroy(new AnswerError('FLO_HEAD_TOO_LONG'))
  })
  const tooLong = (): AnswerError['code'] | null => {
    if (headBytes === null) return bytes >= HEAD_MAX_BYTES ? 'FLO_HEAD_TOO_LONG' : null
    return bytes - headBytes >= REST_MAX_BYTES ? 'FLO_BODY_TOO_LONG' : null
  }
  /** What undici gets of a chunk. Judged before the chunk is counted: a short head and much of a body may be in one. */
  const passOn = (chunk: Buffer): Buffer | AnswerError => {
    const code = tooLong()
    if (code) return new AnswerError(code)
    bytes += chunk.length
    const rest = interim.skipIn(chunk)
    return rest === 'upgraded' ? new AnswerError('FLO_UPGRADED') : rest
  }
  socket.read = (size?: number) => {
    // With 0 the stream fills its own buffer.
    if (size === 0 || requests === 0) return read(size)
    for (;;) {
      const chunk: Buffer | null = read(size)
      if (chunk === null) return null
      const rest = passOn(chunk)
      if (rest instanceof AnswerError) {
        socket.destroy(rest)
        return null
      }
      if (rest.length > 0) return rest
    }
  }
  return {
    beginAnswer() {
      requests += 1
      bytes = 0
      headBytes = null
      tickets = 0
      interim.restart()
    },
    endHead() {
      headBytes ??= bytes
    },
    countEarlier: () => requests - 1,
    countBytes: () => bytes,
  }
}
