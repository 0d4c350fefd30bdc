import { createHmac } from 'node:crypto'
import { answerParent, cpuUsage, readConfigOf } from './child.ts'
import { percentileOf } from './figures.ts'
import { countSockets } from './sockets.ts'
import { stripeEvent } from './stripe-event.ts'

const { url, sourceIds, names, secret, concurrency } = readConfigOf<StripeLoadConfig>()
export interface StripeLoadConfig {
  /** Of webhooks: the id of a source follows. */
  url: string
  /** They get the events in turn. */
  sourceIds: string[]
  /** What the events say in turn of whose they are, as JSON in the event itself or in the metadata of its object. */
  names?: { in: 'event' | 'metadata'; texts: string[] }
  secret: string
  concurrency: number
}
const { pathname: root, host } = new URL(url)
const send = countSockets(url)
let sent = 0
let failures: string[] = []

/** The moment of sending stands in all ids of the event (microseconds), so that whoever sees it arrive can tell how long it took. */
const nowMicros = () => Math.round((performance.timeOrigin + performance.now()) * 1000)

function signRequest(): string {
  const pathname = root + sourceIds[sent % sourceIds.length]
  const name = names?.texts[sent % names.texts.length]
  const body = stripeEvent(`${nowMicros()}x${++sent}x${process.pid}`, name && names ? { [names.in]: name } : {})
  const time = Math.floor(Date.now() / 1000)
  const v1 = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')
  return (
    `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\nstripe-signature: t=${time},v1=${v1}\r\n\r\n${body}`
  )
}

/** Sends one event; true when it was accepted. */
async function postEvent(): Promise<boolean> {
  const reply = await send(signRequest())
  const accepted = reply.startsWith('HTTP/1.1 200')
  if (!accepted && failures.length < 3) failures.push(reply)
  return accepted
}

/** Posts events for `seconds`, as fast as `concurrency` allows or at `perSecond` whatever the answers take. */
async function runLoad(seconds: number, perSecond?: number) {
  failures = []
  const latencies: number[] = []
  const before = cpuUsage().cpuSeconds
  const start = performance.now()
  const end = start + seconds * 1000
  const sendOne = async () => {
    const at = performance.now()
    if (await postEvent()) latencies.push(performance.now() - at)
  }
  if (perSecond) {
    const open: Promise<void>[] = []
    for (let n = 0; n < seconds * perSecond; n++) {
      const wait = start + (n * 1000) / perSecond - performance.now()
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait))
      open.push(sendOne())
    }
    await Promise.all(open)
  } else
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (performance.now() < end) await sendOne()
      }),
    )
  const took = (performance.now() - start) / 1000
  return {
    accepted: latencies.length,
    perSecond: latencies.length / took,
    p50: percentileOf(latencies, 50),
    p99: percentileOf(latencies, 99),
    cpuSeconds: cpuUsage().cpuSeconds - before,
    failures,
  }
}

/** Posts so many events, `concurrency` at a time, and returns when they are accepted. */
async function feedSenders(count: number): Promise<void> {
  failures = []
  let left = count
  await Promise.all(
    Array.from({ length: Math.min(count, concurrency) }, async () => {
      while (left-- > 0) await postEvent()
    }),
  )
  if (failures.length > 0) throw new Error(failures.join('\n'))
}

const commands = { load: runLoad, feed: feedSenders }
export type StripeLoad = typeof commands
answerParent({}, commands)
