import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to a server that can be cut in every manner that networks know. */
export interface Wire {
  port: number
  /** The port that it leads to. */
  to: number
  /** From now on all is well; what was held back comes now. */
  pass(): void
  /** Resets what is open and, until `pass`, whatever comes. */
  drop(): void
  /** Nothing comes through in either direction, new connections included, and nobody is told. */
  stall(): void
  /**
   * What is open comes through no more, for good, and nobody is told: a machine has gone, or a firewall has forgotten. New
   * connections pass. The server gives up its side when its probes of the network would tell it.
   */
  vanish(): void
  /** Each connection is reset after so many more bytes from the server, that is in the middle of an answer. */
  cutAnswers(bytes: number): void
  /** The same of what is sent: a statement arrives by half. */
  cutStatements(bytes: number): void
  /** Ends one direction of each open connection and leaves the other open. */
  halfClose(towards: 'client' | 'server'): void
  stop(): Promise<void>
}

interface Pair {
  client: Socket
  server: Socket
  /** Bytes until the cut. */
  answer: number
  statement: number
}

/** See PROBES in src/database/db.ts. */
const SERVER_PROBES_MS = 7000

/** A wire on a free port of 127.0.0.1, to another port there. */
export async function startWire(to: number): Promise<Wire> {
  const pairs = new Set<Pair>()
  const waiting = new Set<Socket>()
  const lost = new Set<Pair>()
  let state: 'passing' | 'dropping' | 'stalled' = 'passing'

  const joinSockets = (client: Socket) => {
    const pair: Pair = { client, server: connect(to, '127.0.0.1'), answer: Infinity, statement: Infinity }
    pairs.add(pair)
    pipeBytes(pair, client, pair.server, 'statement')
    pipeBytes(pair, pair.server, client, 'answer')
    for (const socket of [client, pair.server])
      socket
        .setNoDelay(true)
        .on('error', () => {})
        .on('close', () => {
          // Of those that have vanished neither side hears of the other's end.
          if (pairs.delete(pair)) endPair(pair)
        })
  }
  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.on('error', () => {})
    if (state === 'dropping') return client.resetAndDestroy()
    if (state === 'passing') return joinSockets(client)
    client.pause()
    waiting.add(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    port: (server.address() as AddressInfo).port,
    to,
    pass() {
      state = 'passing'
      for (const { client, server } of pairs) {
        client.resume()
        server.resume()
      }
      for (const client of waiting) joinSockets(client.resume())
      waiting.clear()
    },
    drop() {
      state = 'dropping'
      for (const pair of pairs) endPair(pair)
      for (const client of waiting) client.resetAndDestroy()
      waiting.clear()
    },
    stall() {
      state = 'stalled'
      for (const { client, server } of pairs) {
        client.pause()
        server.pause()
      }
    },
    vanish() {
      for (const pair of pairs) {
        pairs.delete(pair)
        pair.client.pause()
        pair.server.pause()
        setTimeout(() => pair.server.resetAndDestroy(), SERVER_PROBES_MS).unref()
        lost.add(pair)
      }
    },
    cutAnswers(bytes) {
      for (const pair of pairs) pair.answer = bytes
    },
    cutStatements(bytes) {
      for (const pair of pairs) pair.statement = bytes
    },
    halfClose(towards) {
      for (const pair of pairs) pair[towards].end()
    },
    async stop() {
      for (const pair of [...pairs, ...lost]) endPair(pair)
      for (const client of waiting) client.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function endPair({ client, server }: Pair) {
  for (const socket of [client, server]) if (!socket.destroyed) socket.resetAndDestroy()
}

/** Hands on what comes, as fast as it is taken, up to the byte where the connection is to be cut. */
function pipeBytes(pair: Pair, from: Socket, to: Socket, what: 'answer' | 'statement') {
  from.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, Math.max(0, pair[what]))
    pair[what] -= chunk.length
    if (!to.writableEnded && !to.write(part)) {
      from.pause()
      to.once('drain', () => from.resume())
    }
    // Written first, then cut: a reset would take back what still waits to be sent.
    if (pair[what] <= 0) to.end(() => endPair(pair))
  })
  from.on('end', () => to.end())
}
