import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

declare module 'node:net' {
  interface Socket {
    ondata?: (chunk: string) => void
    onfail?: (error: Error) => void
  }
}

/**
 * Sends requests, each a whole HTTP/1.1 message of latin1, on as many kept connections to `url` as are needed; answers the
 * reply, or the error as text. `opened` gets every connection. Bare sockets: an HTTP client would take as much of the machine as what it measures.
 */
export function countSockets(url: string, opened = new Set<Socket>()): (request: string) => Promise<string> {
  const { hostname, port } = new URL(url)
  const free: Socket[] = []

  /** A connection that the gateway has not closed while nothing was sent. */
  const keptSockets = (): Socket | undefined => {
    for (;;) {
      const socket = free.pop()
      if (!socket?.destroyed) return socket
    }
  }
  const openedSockets = async (): Promise<Socket> => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    socket.setEncoding('latin1')
    opened.add(socket)
    socket.on('data', (chunk) => socket.ondata?.(String(chunk)))
    socket.on('error', (error) => socket.onfail?.(error))
    socket.on('close', () => socket.onfail?.(new Error('the gateway closed the connection')))
    await once(socket, 'connect')
    return socket
  }
  return async (request) => {
    const socket = keptSockets() ?? (await openedSockets())
    const reply = await new Promise<string>((resolve) => {
      let text = ''
      socket.ondata = (chunk) => {
        text += chunk
        const head = text.indexOf('\r\n\r\n')
        if (head < 0) return
        const length = Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? Number.NaN)
        const done = Number.isNaN(length) ? text.endsWith('0\r\n\r\n') : text.length >= head + 4 + length
        if (done) resolve(text)
      }
      socket.onfail = (error) => resolve(String(error))
      socket.write(request, 'latin1')
    })
    if (!socket.destroyed) free.push(socket)
    return reply
  }
}
