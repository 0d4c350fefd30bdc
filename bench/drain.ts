import type { Bench } from './bench.ts'
import { type Child, startChild } from './child.ts'
import type { DeliverConfig, DeliverServer } from './deliver-server.ts'
import type { Receiver } from './receiver.ts'
import { newClient, newDeliveries, newEndpoints, vacuumTables } from './seed.ts'

export type Receiving = Child<{ url: string }, Receiver>
export const newReceiver = (): Promise<Receiving> => startChild('receiver.ts')

export interface Drain {
  /** Deliveries that wait, in all. */
  waiting: number
  /** Distinct events that they are of; as many as deliveries when not given. */
  events?: number
  clients?: number
  endpoints?: number
  concurrency: number
  /** Deliveries passed over before the clock runs, and those that it measures. */
  skip: number
  measured: number
}

const TIMEOUT_SECONDS = 90

/** Lets the delivering room, in a process of its own, loose on what waits; deliveries/s as the receiver sees them. */
export async function measureDrain(bench: Bench, receiver: Receiving, drain: Drain) {
  const { waiting, events = waiting, clients = 1, endpoints = 1, concurrency, skip, measured } = drain
  const database = await bench.postgres.fresh()
  const clientIds: string[] = []
  for (let at = 0; at < clients; at++) {
    const clientId = await newClient(database.db)
    const endpointIds = await newEndpoints(database.db, clientId, receiver.ready.url, {
      count: endpoints / clients,
      maxInFlight: concurrency,
    })
    await newDeliveries(database.db, clientId, endpointIds, { count: waiting / clients, events: events / clients })
    clientIds.push(clientId)
  }
  await vacuumTables(database.db)
  const server = await startChild<object, DeliverServer>('deliver-server.ts', {
    databaseUrl: database.url,
    // One endpoint gets half of the places.
    places: endpoints === 1 ? 2 * concurrency : concurrency,
  } satisfies DeliverConfig)
  const before = { ...(await server.ask('usage')), postgres: bench.postgres.cpuSeconds() }
  await server.ask('wake', clientIds)
  const rate = await receiver.ask('rate', skip, measured, TIMEOUT_SECONDS)
  const after = { ...(await server.ask('usage')), postgres: bench.postgres.cpuSeconds() }
  await server.ask('stop')
  await server.stop()
  const { rows } = await database.db.query(
    `select count(*) filter (where state = 'delivered')::int as delivered, (select count(*)::int from attempts) as attempts
       from deliveries`,
  )
  await database.drop()
  const deliveryCost = (seconds: number) => Math.round((seconds / (skip + rate.deliveries)) * 1e6)
  return {
    ...rate,
    nodeMicroseconds: deliveryCost(after.cpuSeconds - before.cpuSeconds),
    postgresMicroseconds: deliveryCost(after.postgres - before.postgres),
    rssMb: after.rssMb,
    recorded: rows[0] as { delivered: number; attempts: number },
  }
}
