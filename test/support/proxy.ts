import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterwards } from './afterwards.ts'

/** What the proxy says to a CONNECT; 200 and a tunnel to where the request says when nothing is told. */
interface Behaviour {
  status?: number
  headers?: Record<string, string>
  /** Takes the request and never answers. */
  hang?: boolean
  /** The status of everything that is no CONNECT, such as the question whether it is well. */
  own?: number
  /** Where tunnels lead, whatever they were asked for. */
  to?: number
}

/** A proxy on 127.0.0.1 that tunnels by CONNECT and keeps what it was asked for; closed after the test or file. */
export async function startProxy(behaviour: Behaviour = {}, tls?: { cert: string; key: string }) {
  const asked: { authority: string; headers: IncomingHttpHeaders }[] = []
  const sockets = new Set<Socket>()
  let behave = behaviour
  const server: Server = tls ? createSecureServer(tls) : createServer()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
  })
  server.on('request', (_, answer) => {
    if (!behave.hang) answer.writeHead(behave.own ?? 400).end()
  })
  server.on('connect', ({ url: authority = '', headers }, socket: Socket) => {
    socket.on('error', () => {})
    asked.push({ authority, headers })
    if (behave.hang) return
    const { status = 200, headers: said = {}, to } = behave
    const lines = Object.entries(said).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `HTTP/1.1 ${status} Said\r\n${lines.join('')}\r\n`
    if (status !== 200) return void socket.end(head)
    const port = to ?? Number(authority.split(':').at(-1))
    const far = connect(port, '127.0.0.1', () => {
      socket.write(head)
      far.pipe(socket).pipe(far)
    })
    far.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'))
    socket.on('close', () => far.destroy())
  })
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const stop = async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  afterwards(stop)
  return {
    host: `127.0.0.1:${port}`,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    /** Every CONNECT, in order. */
    asked,
    behave(next: Behaviour) {
      behave = next
    },
    stop,
    /** On the same port again. */
    start: () => listen(port),
  }
}
