import { Registry } from 'prom-client'
import { contracts } from '../mappings/index.ts'
import { openClientGroups } from '../src/database/client-groups.ts'
import { openPool } from '../src/database/db.ts'
import { createDeliverer } from '../src/deliver/deliverer.ts'
import { newLog } from '../src/log.ts'
import { createCounters } from '../src/metrics/counters.ts'
import { createHostNames } from '../src/network/names/host-names.ts'
import { combineWatches } from '../src/watch.ts'
import { registerWorker } from '../src/workers/worker.ts'
import { answerParent, cpuUsage, readConfigOf } from './child.ts'
import { keys } from './seed.ts'

/** The delivering room alone, with so many places for requests under way. */
export interface DeliverConfig {
  databaseUrl: string
  places: number
}
const { databaseUrl, places } = readConfigOf<DeliverConfig>()

const log = newLog('info')
const db = openPool(databaseUrl, { max: 10 })
const worker = await registerWorker({ url: databaseUrl, db, log, roles: ['work'] })
const room = createDeliverer({
  db,
  groups: await openClientGroups(db),
  log,
  worker,
  keyRing: keys,
  contracts,
  config: { allowedSubnets: ['127.0.0.0/8'] },
  now: () => new Date(),
  names: createHostNames(),
  onLeasedElsewhere: () => {},
  watch: combineWatches({ log }, [createCounters(new Registry())]),
  slots: places,
})

const commands = {
  usage: cpuUsage,
  wake(clientIds: string[]) {
    for (const clientId of clientIds) room.wake(clientId)
  },
  async stop() {
    await room.stop()
    await worker.stop()
    await db.end()
  },
}
export type DeliverServer = typeof commands
answerParent({}, commands)
