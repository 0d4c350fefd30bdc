import { Queue, Worker } from 'bullmq'
import { openPool } from '../../src/database/db.ts'
import { type DeliveryJob, deliverOne } from '../attempts-store.ts'
import { answerParent, cpuUsage, readConfigOf } from '../child.ts'
import type { QueueConfig, QueueServer } from '../queues.ts'

const { databaseUrl, redisPort, concurrency, batched } = readConfigOf<QueueConfig>()
const connection = { host: '127.0.0.1', port: redisPort, maxRetriesPerRequest: null }
const db = openPool(databaseUrl, { max: batched ? 10 : 20 })
const deliver = deliverOne({ db, concurrency, batched })

const queue = new Queue('deliveries', { connection })
await queue.waitUntilReady()
const worker = new Worker<DeliveryJob>('deliveries', ({ data }) => deliver(data), {
  connection,
  concurrency,
  autorun: false,
  removeOnComplete: { count: 0 },
})
worker.on('error', (error) => console.error(error))

const commands: QueueServer = {
  usage: cpuUsage,
  /** Puts every pending delivery into the queue. */
  async fill() {
    const { rows } = await db.query(
      `select client_id as "clientId", event_id as "eventId", id from deliveries where state = 'pending' order by next_attempt_at`,
    )
    for (let at = 0; at < rows.length; at += 1000)
      await queue.addBulk(rows.slice(at, at + 1000).map((data) => ({ name: 'deliver', data, opts: { attempts: 11 } })))
  },
  start() {
    worker.run().catch((error) => console.error(error))
  },
  async stop() {
    await worker.close()
    await queue.close()
    await db.end()
  },
}
answerParent({}, commands)
