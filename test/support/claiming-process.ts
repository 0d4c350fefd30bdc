// A process of its own that claims units and then waits to be killed: node claiming-process.ts <url> <client> <unit>...
import { openPool } from '../../src/database/db.ts'
import { newLog } from '../../src/log.ts'
import { registerWorker } from '../../src/workers/worker.ts'
import { claimUnitsOf } from './units.ts'

const [url = '', clientId = '', ...units] = process.argv.slice(2)
const db = openPool(url)
const worker = await registerWorker({ url, db, log: newLog('silent'), roles: ['work'] })
await worker.setGraphilePool('pool-of-the-killed')
const { held } = await claimUnitsOf(worker, clientId, units)
process.stdout.write(`${JSON.stringify({ id: worker.id, held })}\n`)
setInterval(() => {}, 60_000)
