import type { IncomingMessage } from 'node:http'

/** A body of chunks may have so many pieces of whatever size; beyond that they have so many bytes in the mean. */
const PIECES_FREE = 1_000
const MEAN_BYTES = 64
/** Whoever still sends has so long to read the answer. */
const LINGER_MS = 2_000

/** What a piece of a body costs in memory beside its bytes. */
export const PIECE_BYTES = 256

/**
 * Calls `cut` when the body of a request comes in tiny chunks: 64 KiB of the network hold 10,000 of them, each of which costs a call
 * and a buffer. Sizes that are announced beforehand come in the packets of the network, never so small.
 */
export function limitPieces(req: IncomingMessage, cut: () => void): void {
  if (!isChunked(req)) return
  const push = req.push
  let pieces = 0
  let bytes = 0
  let isCut = false
  req.push = (piece, encoding) => {
    pieces += 1
    bytes += piece?.length ?? 0
    if (isCut || pieces <= PIECES_FREE || bytes >= pieces * MEAN_BYTES) return isCut || push.call(req, piece, encoding)
    isCut = true
    cut()
    return true
  }
}

/** What is left of a body of chunks after its answer is read for a moment only. */
export function limitRest(req: IncomingMessage): void {
  if (isChunked(req) && !req.complete)
    setTimeout(() => {
      if (!req.complete) req.socket.destroy()
    }, LINGER_MS).unref()
}

const isChunked = ({ headers }: IncomingMessage): boolean => headers['transfer-encoding'] !== undefined
