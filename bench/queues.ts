import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench } from './bench.ts'
import { type cpuUsage, startChild } from './child.ts'
import type { Receiving } from './drain.ts'
import { newClient, newDeliveries, newEndpoints, vacuumTables } from './seed.ts'

export interface QueueConfig {
  databaseUrl: string
  redisPort: number
  concurrency: number
  /** Loading and recording gather what runs at the same time; else each delivery has its own statements. */
  batched: boolean
}

/** What the process around a job queue answers. */
export type QueueServer = {
  usage: typeof cpuUsage
  /** Puts every pending delivery into the queue. */
  fill(): Promise<void>
  start(): void
  stop(): Promise<void>
}

export interface QueueRun {
  script: 'queues/bullmq.ts' | 'queues/pg-boss.ts'
  batched: boolean
  concurrency: number
  skip: number
  measured: number
}

/** The same deliveries through a job queue: one job each, one PostgreSQL row and attempt each. */
export async function throughQueue(bench: Bench, receiver: Receiving, run: QueueRun) {
  const { script, batched, concurrency, skip, measured } = run
  const database = await bench.postgres.fresh()
  const redis = script === 'queues/bullmq.ts' ? await startRedis() : { port: 0, stop: async () => {} }
  try {
    const clientId = await newClient(database.db)
    const endpointIds = await newEndpoints(database.db, clientId, receiver.ready.url)
    await newDeliveries(database.db, clientId, endpointIds, { count: skip + measured })
    await vacuumTables(database.db)
    const server = await startChild<object, QueueServer>(script, {
      databaseUrl: database.url,
      redisPort: redis.port,
      concurrency,
      batched,
    } satisfies QueueConfig)
    await server.ask('fill')
    await server.ask('start')
    const rate = await receiver.ask('rate', skip, measured, 60)
    await server.ask('stop')
    await server.stop()
    return rate
  } finally {
    await redis.stop()
    await database.drop()
  }
}

/** Redis as BullMQ's docs ask for it in production: append-only file, synced every second, nothing evicted. */
async function startRedis() {
  const folder = await mkdtemp(join(tmpdir(), 'flo-gateway-bench-redis-'))
  const port = await freePort()
  const flags = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes']
  const server = spawn('redis-server', [...flags, '--maxmemory-policy', 'noeviction'], { stdio: 'ignore' })
  const exited = once(server, 'exit')
  while (!(await isReachable(port))) {
    if (server.exitCode !== null) throw new Error('redis-server ended at its start')
    await delay(20)
  }
  return {
    port,
    async stop() {
      server.kill()
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

const isReachable = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
