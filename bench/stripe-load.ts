import { createHmac } from 'node:crypto'
import { answer, config, usage } from './child.ts'
import { percentile } from './figures.ts'
import { sockets } from './sockets.ts'
import { stripeEvent } from './stripe-event.ts'

const { url, secret, concurrency } = config<{ url: string; secret: string; concurrency: number }>()
const { pathname, host } = new URL(url)
const send = sockets(url)
let sent = 0
let failures: string[] = []

/** The moment of sending stands in all ids of the event (microseconds), so that whoever sees it arrive can tell how long it took. */
const micros = () => Math.round((performance.timeOrigin + performance.now()) * 1000)

function request(): string {
  const body = stripeEvent(`${micros()}x${++sent}x${process.pid}`)
  const time = Math.floor(Date.now() / 1000)
  const v1 = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')
  return (
    `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\nstripe-signature: t=${time},v1=${v1}\r\n\r\n${body}`
  )
}

/** Sends one event; true when it was accepted. */
async function post(): Promise<boolean> {
  const reply = await send(request())
  const accepted = reply.startsWith('HTTP/1.1 200')
  if (!accepted && failures.length < 3) failures.push(reply)
  return accepted
}

/** Posts events for `seconds`, as fast as `concurrency` allows or at `perSecond` whatever the answers take. */
async function load(seconds: number, perSecond?: number) {
  failures = []
  const latencies: number[] = []
  const before = usage().cpuSeconds
  const start = performance.now()
  const end = start + seconds * 1000
  const one = async () => {
    const at = performance.now()
    if (await post()) latencies.push(performance.now() - at)
  }
  if (perSecond) {
    const open: Promise<void>[] = []
    for (let n = 0; n < seconds * perSecond; n++) {
      const wait = start + (n * 1000) / perSecond - performance.now()
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait))
      open.push(one())
    }
    await Promise.all(open)
  } else
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (performance.now() < end) await one()
      }),
    )
  const took = (performance.now() - start) / 1000
  return {
    accepted: latencies.length,
    perSecond: latencies.length / took,
    p50: percentile(latencies, 50),
    p99: percentile(latencies, 99),
    cpuSeconds: usage().cpuSeconds - before,
    failures,
  }
}

/** Posts so many events, `concurrency` at a time, and returns when they are accepted. */
async function feed(count: number): Promise<void> {
  failures = []
  let left = count
  await Promise.all(
    Array.from({ length: Math.min(count, concurrency) }, async () => {
      while (left-- > 0) await post()
    }),
  )
  if (failures.length > 0) throw new Error(failures.join('\n'))
}

const commands = { load, feed }
export type StripeLoad = typeof commands
answer({}, commands)
