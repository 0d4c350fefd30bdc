import { createSocket } from 'node:dgram'
import { once } from 'node:events'

/** A name server of 127.0.0.1 that never answers: every name is dead to who asks it. */
export async function startSilentNameServer() {
  const socket = createSocket('udp4').on('message', () => {})
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { address: `127.0.0.1:${socket.address().port}`, stop: async () => void socket.close() }
}
