import { PgBoss } from 'pg-boss'
import { openPool } from '../../src/database/db.ts'
import { type DeliveryJob, deliverOne } from '../attempts-store.ts'
import { answerParent, cpuUsage, readConfigOf } from '../child.ts'
import type { QueueConfig, QueueServer } from '../queues.ts'

const { databaseUrl, concurrency, batched } = readConfigOf<QueueConfig>()
const db = openPool(databaseUrl, { max: batched ? 10 : 20 })
const deliver = deliverOne({ db, concurrency, batched })
const QUEUE = 'deliveries'

const boss = new PgBoss({ connectionString: databaseUrl, max: 10, supervise: false, schedule: false })
boss.on('error', (error) => console.error(error))
await boss.start()
await boss.createQueue(QUEUE, { retryLimit: 10 })

const commands: QueueServer = {
  usage: cpuUsage,
  async fill() {
    const { rows } = await db.query(
      `select client_id as "clientId", event_id as "eventId", id from deliveries where state = 'pending' order by next_attempt_at`,
    )
    for (let at = 0; at < rows.length; at += 1000)
      await boss.insert(
        QUEUE,
        rows.slice(at, at + 1000).map((data) => ({ data })),
      )
    await db.query('vacuum analyze')
  },
  // Two workers, each with half of the requests under way: one fetches and completes while the other delivers.
  start() {
    const options = {
      batchSize: concurrency / 2,
      localConcurrency: 2,
      burstWhenBatchFull: true,
      pollingIntervalSeconds: 0.5,
    }
    void boss.work<DeliveryJob>(QUEUE, options, async (jobs) => {
      await Promise.all(jobs.map(({ data }) => deliver(data)))
    })
  },
  async stop() {
    await boss.stop({ graceful: true })
    await db.end()
  },
}
answerParent({}, commands)
