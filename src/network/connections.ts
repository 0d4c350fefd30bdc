import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Peers } from './peers.ts'
import { cutTinyPieces, limitRest } from './tiny-pieces.ts'

/** What the sender of a request has proven: nothing, that it has a key, or that it sends a webhook whose signature is right. */
export type Proof = 'nothing' | 'key' | 'webhook'

export interface ConnectionLimits {
  /** Connections in all, as far as there are some that may be cut. */
  total: number
  /** Connections of one address that have proven nothing. */
  perAddress: number
  /** Without any progress in writing an answer for so long, its connection is cut. */
  stalledMs: number
  /** An answer that is not taken to its end after so long is cut, however slowly it goes on. */
  writeMs: number
}

interface Connection {
  socket: Socket
  address: string
  answering: ServerResponse | null
  /** When the request under way began to be answered, or the last one ended, or the connection was opened. */
  since: number
  isWebhook: boolean
  proof: Proof
  /** Requests that were sent ahead of the answer to the one before: answered in turn. */
  waiting: [IncomingMessage, ServerResponse][]
}

/** Requests that wait for the answer to the one before, on one connection and on all: each costs some kilobytes. */
const WAITING_PER_CONNECTION = 32
const WAITING_MAX = 4_000
/** A webhook arrives in one go: one that has not been proven after this time may be cut, if nothing else can be. */
const UNPROVEN_WEBHOOK_MS = 2_000
/** An idle connection is new for so long: its first request may be under way, a webhook perhaps. */
const FRESH_MS = 500
const OPENING_MS = 100
/** After a webhook the next one may be on its way on the same connection: only whoever signs holds one open so. */
const NEXT_WEBHOOK_MS = 10_000
const SWEEP_MS = 1_000

const proofs = new WeakMap<Socket, Connection>()

/** Says what the sender of the request under way has proven: its connection is cut later than others. */
export function noteProof({ socket }: Pick<IncomingMessage, 'socket'>, proof: Proof): void {
  const connection = proofs.get(socket)
  if (connection) connection.proof = proof
}

/**
 * Keeps the connections of a server within limits, and gives each of them one request at a time: no more is read from a
 * connection while an answer is unsent. `answer` gets the requests, `refuse` those of an address that has too many under way.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one closure around the open connections; its parts are short functions.
export function limitConnections(
  server: Server,
  peers: Peers,
  { limits, answer, refuse }: { limits: ConnectionLimits; answer: RequestListener; refuse: RequestListener },
): void {
  const connections = new Set<Connection>()
  const byAddress = new Map<string, Set<Connection>>()
  const countSender = createCounter()
  let waiting = 0

  const forgetWaiting = (connection: Connection) => {
    waiting -= connection.waiting.length
    connection.waiting = []
  }
  const cutFlood = (connection: Connection) => {
    forgetWaiting(connection)
    connection.socket.destroy()
    stopParsing(connection.socket)
  }
  const cutMostWaiting = () => {
    let [most] = connections
    for (const connection of connections) if (connection.waiting.length > (most?.waiting.length ?? 0)) most = connection
    if (most) cutFlood(most)
  }

  server.on('connection', (socket) => {
    const address = peers.addressOf(socket.remoteAddress)
    const connection: Connection = {
      ...{
        socket,
        address,
        answering: null,
        since: performance.now(),
        isWebhook: false,
        proof: 'nothing',
        waiting: [],
      },
    }
    const share = peers.shareOf(address)
    const ofAddress = byAddress.get(share) ?? new Set()
    byAddress.set(share, ofAddress.add(connection))
    connections.add(connection)
    proofs.set(socket, connection)
    socket.once('close', () => forgetConnection(connection))
    const isOverShare = () => ofAddress.size > limits.perAddress && peers.isOwnAddress(address)
    while (isOverShare() && cutFirst(ofAddress, { newest: connection, isCuttable: isKeyless }));
    while (
      connections.size > limits.total &&
      cutFirst(connections, { newest: connection, isCuttable: isCuttableInAll })
    );
  })
  const forgetConnection = (connection: Connection) => {
    const share = peers.shareOf(connection.address)
    const ofAddress = byAddress.get(share)
    connections.delete(connection)
    forgetWaiting(connection)
    ofAddress?.delete(connection)
    if (ofAddress?.size === 0) byAddress.delete(share)
  }
  // What has been opened a moment ago may bring a webhook: rather a few too many than one that is in use cut for it.
  const isCuttableInAll = (rank: number) => (connections.size > 1.5 * limits.total ? isNoWebhook(rank) : isUnused(rank))
  /** Cuts the one that matters least, of those the oldest. The newest is not tried. Whether there was one that may be cut. */
  const cutFirst = (
    among: Iterable<Connection>,
    { newest, isCuttable }: { newest: Connection; isCuttable: (rank: number) => boolean },
  ): boolean => {
    const first = findLeast(among, (one, rank) => one !== newest && isCuttable(rank))
    if (!first) return false
    forgetConnection(first)
    first.socket.destroy()
    return true
  }

  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    const connection = proofs.get(req.socket)
    if (!connection || req.socket.destroyed) return
    if (!connection.answering) return begin(connection, req, res)
    if (connection.waiting.length >= WAITING_PER_CONNECTION) return cutFlood(connection)
    connection.waiting.push([req, res])
    waiting += 1
    req.socket.pause()
    if (waiting > WAITING_MAX) cutMostWaiting()
  })

  const begin = (connection: Connection, req: IncomingMessage, res: ServerResponse) => {
    const path = req.url ?? ''
    Object.assign(connection, { answering: res, since: performance.now(), proof: 'nothing' })
    connection.isWebhook = path.startsWith('/webhooks/')
    const { underWay, forget } = countSender(peers.forwardedFor(req, connection.address))
    res.once('close', () => {
      forget()
      limitRest(req)
      endRequest(connection)
    })
    if (underWay > limits.perAddress && !connection.isWebhook) refuse(req, res)
    else answer(req, res)
  }

  const endRequest = (connection: Connection) => {
    connection.answering = null
    connection.since = performance.now()
    if (connection.socket.destroyed) return
    const next = connection.waiting.shift()
    if (next) {
      waiting -= 1
      begin(connection, ...next)
    } else if (connection.socket.isPaused()) connection.socket.resume()
  }

  cutTinyPieces(server)
  cutSlowReaders(server, connections, limits)
}

/** What a parser is told after a head: no request follows it. */
const NOTHING_FOLLOWS = 2

/**
 * Leaves unread what has arrived with the request under way. A chunk of 64 KiB may hold 2,000 heads, and Node makes a request of
 * each of them, all in one go, though their connection is destroyed.
 */
function stopParsing(socket: Socket): void {
  const { parser } = socket as { parser?: { onIncoming?: () => number } | null }
  if (parser) parser.onIncoming = () => NOTHING_FOLLOWS
}

/** Counts requests under way of those whom trusted proxies name. */
function createCounter() {
  const counts = new Map<string, number>()
  return (name: string | null): { underWay: number; forget: () => void } => {
    if (name === null) return { underWay: 0, forget: () => {} }
    const underWay = (counts.get(name) ?? 0) + 1
    counts.set(name, underWay)
    const forget = () => {
      const left = (counts.get(name) ?? 1) - 1
      if (left > 0) counts.set(name, left)
      else counts.delete(name)
    }
    return { underWay, forget }
  }
}

/** Cuts those who do not take their answer, at all or to its end. */
function cutSlowReaders(server: Server, connections: ReadonlySet<Connection>, limits: ConnectionLimits): void {
  // Node counts what the system has taken of an answer as progress, so a slow reader is not a stalled one.
  server.setTimeout(limits.stalledMs, (socket) => {
    const answering = proofs.get(socket)?.answering
    // An answer that is still being made: its request has a time limit of its own.
    if (!answering || answering.headersSent) socket.destroy()
  })
  const sweep = setInterval(() => {
    const before = performance.now() - limits.writeMs
    for (const { socket, answering, since } of connections)
      if (answering?.writableEnded && since < before) socket.destroy()
  }, SWEEP_MS).unref()
  server.once('close', () => clearInterval(sweep))
}

/** In which order connections are cut. */
const RANKS = {
  idle: 0,
  keyless: 1,
  idleWithKey: 2,
  fresh: 3,
  idleWithWebhook: 4,
  withKey: 5,
  slowWebhook: 6,
  /** It carries a webhook, or has only just been opened. */
  never: 7,
} as const
const isKeyless = (rank: number) => rank <= RANKS.keyless || rank === RANKS.fresh
const isUnused = (rank: number) => rank <= RANKS.fresh
const isNoWebhook = (rank: number) => rank < RANKS.never

function rankOf({ answering, proof, isWebhook, since }: Connection, now: number): number {
  const age = now - since
  if (!answering && proof === 'nothing')
    return age > FRESH_MS ? RANKS.idle : age > OPENING_MS ? RANKS.fresh : RANKS.never
  if (!answering && proof === 'key') return RANKS.idleWithKey
  if (!answering) return age < NEXT_WEBHOOK_MS ? RANKS.never : RANKS.idleWithWebhook
  if (proof === 'webhook') return RANKS.never
  if (proof === 'key') return RANKS.withKey
  if (!isWebhook) return RANKS.keyless
  return age > UNPROVEN_WEBHOOK_MS ? RANKS.slowWebhook : RANKS.never
}

/** The one that matters least, of those the oldest. */
function findLeast(
  connections: Iterable<Connection>,
  mayBe: (connection: Connection, rank: number) => boolean,
): Connection | undefined {
  const now = performance.now()
  let least: { connection: Connection; rank: number } | undefined
  for (const connection of connections) {
    const rank = rankOf(connection, now)
    if (!mayBe(connection, rank)) continue
    if (!least || rank < least.rank || (rank === least.rank && connection.since < least.connection.since))
      least = { connection, rank }
  }
  return least?.connection
}
