import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import pg from 'pg'
import { afterwards } from './afterwards.ts'

/** What a pooler lets through in a startup message, as PgBouncer does; anything else it refuses. */
const KNOWN_PARAMETERS = [
  'user',
  'database',
  'client_encoding',
  'datestyle',
  'timezone',
  'standard_conforming_strings',
].concat(['application_name'])

interface PoolerOptions {
  mode: 'session' | 'transaction'
  /** How many connections to the server there are. */
  size?: number
  /** Which free one is taken: the one that came back last, the one that has rested longest, or any. */
  order?: 'last' | 'turn' | 'chance'
  /** What is sent before a connection goes to another client in session mode. */
  resetQuery?: string
}

const message = (type: string, body: Buffer) => {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const text = (...words: string[]) => Buffer.from(`${words.join('\0')}\0`)
const READY = message('Z', Buffer.from('I'))

/** Cuts a stream into whole messages of the protocol, each with its type. */
function createReader(onMessage: (type: string, whole: Buffer) => void) {
  let rest = Buffer.alloc(0)
  return (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 5 && rest.length >= 1 + rest.readInt32BE(1)) {
      const end = 1 + rest.readInt32BE(1)
      const whole = rest.subarray(0, end)
      rest = rest.subarray(end)
      onMessage(String.fromCharCode(whole[0] ?? 0), whole)
    }
  }
}

/** A connection to the server, whose client library has done the login and no more. */
interface ServerConnection {
  stream: Socket
  client: pg.Client
}

/** The pooler's connections to the server. */
async function createServerPool(url: string, { mode, size = 10, order = 'last' }: PoolerOptions) {
  const free: ServerConnection[] = []
  const waiting: ((connection: ServerConnection) => void)[] = []
  const all: Promise<ServerConnection>[] = []
  const openConnection = async () => {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection
    return { client, stream }
  }
  const addConnection = () => {
    const opening = openConnection()
    all.push(opening)
    return opening
  }
  // In turn or by chance there is only a choice where there are several.
  if (mode === 'transaction' && order !== 'last')
    for (const one of await Promise.all(Array.from({ length: size }, addConnection))) free.push(one)
  return {
    async takeConnection(): Promise<ServerConnection> {
      if (all.length < size && free.length === 0) return addConnection()
      const at = order === 'last' ? free.length - 1 : order === 'turn' ? 0 : Math.floor(Math.random() * free.length)
      const [found] = free.splice(at, 1)
      return found ?? new Promise((resolve) => waiting.push(resolve))
    },
    giveBack(connection: ServerConnection) {
      const next = waiting.shift()
      if (next) next(connection)
      else free.push(connection)
    },
    async cutAll() {
      for (const { stream } of await Promise.all(all)) stream.destroy()
    },
  }
}

/** Raw messages of the server from now on. Returns how the client library gets its listeners back. */
function talkRaw({ stream }: ServerConnection, onMessage: (type: string, whole: Buffer) => void): () => void {
  const listeners = stream.listeners('data') as ((chunk: Buffer) => void)[]
  stream.removeAllListeners('data')
  stream.on('data', createReader(onMessage))
  return () => {
    stream.removeAllListeners('data')
    for (const listener of listeners) stream.on('data', listener)
  }
}

/** A pooler in front of a database, in the manner of PgBouncer: no password, keys of its own. Ends after the file. */
export async function startPooler(url: string, options: PoolerOptions): Promise<string> {
  const { mode, resetQuery = 'discard all' } = options
  const { takeConnection, giveBack, cutAll } = await createServerPool(url, options)
  const serveClient = (socket: Socket) => {
    let held: Promise<ServerConnection> | undefined
    let endTalk = () => {}
    let hasEnded = false
    const holdConnection = () => {
      held ??= takeConnection().then((connection) => {
        endTalk = talkRaw(connection, (type, whole) => {
          socket.write(whole)
          if (mode === 'transaction' && type === 'Z' && whole[5] === 'I'.charCodeAt(0)) releaseConnection(connection)
        })
        return connection
      })
      return held
    }
    const releaseConnection = (connection: ServerConnection) => {
      held = undefined
      endTalk()
      giveBack(connection)
    }
    const send = createReader((type, whole) => {
      if (type !== 'X') void holdConnection().then(({ stream }) => !hasEnded && stream.write(whole))
    })
    socket.on('error', () => {})
    socket.on('close', async () => {
      hasEnded = true
      const connection = await held
      if (!connection) return
      endTalk()
      if (mode === 'session' && resetQuery) await connection.client.query(resetQuery).catch(() => {})
      giveBack(connection)
    })
    socket.once('data', (startup: Buffer) => {
      const words = startup.subarray(8).toString().split('\0')
      const unknown = words.find((word, at) => at % 2 === 0 && word && !KNOWN_PARAMETERS.includes(word.toLowerCase()))
      if (unknown)
        return socket.end(message('E', text('SFATAL', 'C08P01', `Munsupported startup parameter: ${unknown}`, '')))
      socket.on('data', send)
      socket.write(
        Buffer.concat([message('R', Buffer.alloc(4)), message('K', Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])), READY]),
      )
    })
  }
  const server = createServer(serveClient).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  afterwards(async () => {
    server.close()
    for (const socket of sockets) socket.destroy()
    await cutAll()
  })
  const { port } = server.address() as AddressInfo
  return Object.assign(new URL(url), { port: String(port) }).href
}
