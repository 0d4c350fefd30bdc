import { answerParent, cpuUsage, readConfigOf } from './child.ts'
import { percentileOf } from './figures.ts'
import { countSockets } from './sockets.ts'

export interface AppEventsLoad {
  url: string
  key: string
  concurrency: number
  /** Events per request: 1 posts single events, more a batch. */
  batch: number
  /** Each request with an Idempotency-Key of its own. */
  once: boolean
}
const { url, key, concurrency, batch, once } = readConfigOf<AppEventsLoad>()
const { pathname, host } = new URL(url)
const send = countSockets(url)
let sent = 0

const newAppEvent = () => ({
  type: 'user.login',
  clientUserId: `user_${++sent % 10_000}`,
  data: {
    at: new Date().toISOString(),
    ip: '203.0.113.7',
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101',
  },
})

function sendRequest(): string {
  const body = JSON.stringify(batch === 1 ? newAppEvent() : { events: Array.from({ length: batch }, newAppEvent) })
  return (
    `POST ${pathname}${batch === 1 ? '' : '/batch'} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${key}\r\n` +
    `content-type: application/json\r\ncontent-length: ${body.length}\r\n` +
    `${once ? `idempotency-key: ${process.pid}-${++sent}\r\n` : ''}\r\n${body}`
  )
}

/** Publishes for `seconds`, as fast as `concurrency` allows. */
async function runLoad(seconds: number) {
  const failures: string[] = []
  const latencies: number[] = []
  const start = performance.now()
  const end = start + seconds * 1000
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() < end) {
        const at = performance.now()
        const reply = await send(sendRequest())
        if (reply.startsWith('HTTP/1.1 202')) latencies.push(performance.now() - at)
        else if (failures.length < 3) failures.push(reply)
      }
    }),
  )
  const accepted = latencies.length * batch
  return {
    accepted,
    perSecond: (accepted * 1000) / (performance.now() - start),
    p99: percentileOf(latencies, 99),
    failures,
  }
}

const commands = { load: runLoad, usage: cpuUsage }
export type AppEventsLoader = typeof commands
answerParent({}, commands)
