import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/** A body may have so many pieces of whatever size; beyond that they have so many bytes in the mean. */
const PIECES_FREE = 1_000
const MEAN_BYTES = 64
/** Smaller pieces are handed on together, so many bytes at most. */
const GATHERED_BYTES = 4 * 1024
/** So much of a body of chunks is parsed in one go: it holds no more than a few hundred pieces. */
const SLICE_BYTES = 2 * 1024
/** Whoever still sends has so long to read the answer. */
const LINGER_MS = 2_000

/** What a piece of a body costs in memory beside its bytes. */
export const PIECE_BYTES = 256

/** What is used of Node's parser of a connection: it has one as long as it speaks HTTP. */
interface Parser {
  /** Called with each head, in the middle of parsing what has arrived with it. */
  onIncoming: ((req: IncomingMessage, shouldKeepAlive: boolean) => number) | null
  /** What is being parsed, heads and bodies before this one included. */
  getCurrentBuffer?(): Buffer | undefined
}
/** The parser leaves unread what follows a head: it takes it for another protocol. */
const NOTHING_FOLLOWS = 2

/**
 * Cuts connections on which the body of a request comes in tiny chunks. 64 KiB of the network hold 10,000 of them, of each of which
 * Node's parser makes a buffer and a call, and nothing stops it half-way. So what has arrived with a head is looked at before it is
 * parsed, and what comes later is parsed slice by slice. Sizes that are announced beforehand come in the packets of the network, never
 * so small.
 */
export function cutTinyPieces(server: Server): void {
  server.on('connection', (socket) => {
    const { parser } = socket as { parser?: Parser }
    const takeHead = parser?.onIncoming
    if (!parser || !takeHead) return
    let isSliced = false
    parser.onIncoming = (req, shouldKeepAlive) => {
      if (isChunked(req)) {
        if (holdsTinyChunks(parser.getCurrentBuffer?.())) {
          socket.destroy()
          return NOTHING_FOLLOWS
        }
        limitPieces(req)
        if (!isSliced) parseInSlices(socket)
        isSliced = true
      }
      return takeHead(req, shouldKeepAlive)
    }
  })
}

/** What is left of a body of chunks after its answer is read for a moment only. */
export function limitRest(req: IncomingMessage): void {
  if (isChunked(req) && !req.complete)
    setTimeout(() => {
      if (!req.complete) req.socket.destroy()
    }, LINGER_MS).unref()
}

const isChunked = ({ headers }: IncomingMessage): boolean => headers['transfer-encoding'] !== undefined

const isTooTiny = (pieces: number, bytes: number): boolean => pieces > PIECES_FREE && bytes < pieces * MEAN_BYTES

const HEAD_END = '\r\n\r\n'
/** Heads that are looked at in one read: more of them are cut off as a flood. */
const HEADS_MAX = 32

/** Whether the chunks after one of the heads are too tiny. It is an estimate: how a body is framed is the parser's alone to say. */
function holdsTinyChunks(bytes: Buffer | undefined): boolean {
  if (!bytes) return false
  let at = bytes.indexOf(HEAD_END)
  for (let heads = 0; at >= 0 && heads < HEADS_MAX; heads += 1) {
    if (areTinyChunks(bytes, at + HEAD_END.length)) return true
    at = bytes.indexOf(HEAD_END, at + HEAD_END.length)
  }
  return false
}

function areTinyChunks(bytes: Buffer, from: number): boolean {
  let pieces = 0
  let length = 0
  for (let at = from; at < bytes.length && pieces <= PIECES_FREE; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) break
    const size = Number.parseInt(bytes.toString('latin1', at, Math.min(lineEnd, at + 8)), 16)
    if (!(size > 0)) break
    pieces += 1
    length += size
    at = lineEnd + 2 + size + 2
  }
  return isTooTiny(pieces, length)
}

/** From now on what arrives on the connection is handed to the parser in slices, until the connection is cut. */
function parseInSlices(socket: Socket): void {
  // Node's own listener is the first.
  const [parse] = socket.listeners('data') as ((bytes: Buffer) => void)[]
  if (!parse) return
  socket.removeListener('data', parse)
  socket.on('data', (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
      if (socket.destroyed) return
      // A request waits for the answer to the one before: what follows is kept until it is read again.
      if (socket.isPaused()) return socket.unshift(bytes.subarray(at))
      parse(bytes.subarray(at, at + SLICE_BYTES))
    }
  })
}

/** Counts the pieces of a body, also of one that nobody reads, and hands on small ones together. */
function limitPieces(req: IncomingMessage & { _dump?: () => void }): void {
  const push = req.push
  let pieces = 0
  let bytes = 0
  let gathered: Buffer[] = []
  let gatheredBytes = 0
  const handOn = () => {
    const [first] = gathered
    if (!first) return
    const all = gathered.length === 1 ? first : Buffer.concat(gathered)
    gathered = []
    gatheredBytes = 0
    if (!req.destroyed) push.call(req, all)
  }
  req.push = (piece: Buffer | null, encoding) => {
    if (piece === null) {
      handOn()
      return push.call(req, null, encoding)
    }
    pieces += 1
    bytes += piece.length
    if (isTooTiny(pieces, bytes)) {
      req.socket.destroy()
      return true
    }
    if (gathered.length === 0) setImmediate(handOn)
    gathered.push(piece)
    gatheredBytes += piece.length
    if (gatheredBytes >= GATHERED_BYTES) handOn()
    return req.readableLength < req.readableHighWaterMark
  }
  // Node drops what nobody reads before it is counted.
  req._dump = () => {
    req.removeAllListeners('data')
    req.resume()
  }
}
