import { expect, test, vi } from 'vitest'
import { openPool } from '../../src/database/db.ts'
import { startSpaceWatch } from '../../src/database/space.ts'
import { newLog } from '../../src/log.ts'
import { newServer } from '../../torture/server.ts'
import { afterwards } from '../support/afterwards.ts'
import { emptyDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway, temporaryFolder } from '../support/gateway.ts'

// A database that cannot write more: the process is not ready, says so once, and is ready again when there is space.

const log = newLog('silent')

async function readReadiness(url: string) {
  const response = await fetch(`${url}/readyz`)
  return { status: response.status, details: ((await response.json()) as { details: object }).details }
}

test.skipIf(process.platform !== 'linux')(
  'a full disk of the database is not ready, and ready again with space',
  async () => {
    const server = await newServer(await temporaryFolder())
    await server.start()
    afterwards(() => server.stop('immediate'))
    const gateway = await startTestGateway({ DATABASE_URL: server.url })
    expect(await readReadiness(gateway.url)).toMatchObject({ status: 200, details: { space: true } })
    await server.setDiskFull(true)
    await eventually(async () => (await readReadiness(gateway.url)).status === 503)
    expect((await readReadiness(gateway.url)).details).toMatchObject({ database: true, space: false })
    await server.setDiskFull(false)
    await eventually(async () => (await readReadiness(gateway.url)).status === 200)
  },
)

/** A watch that looks every few milliseconds; `said` is what it has logged. */
async function watchSpace(options: { folders?: string[]; leastFreeBytes?: number; url?: string }) {
  const { url = await emptyDatabase(), folders = [], ...more } = options
  const db = openPool(url, { max: 1 })
  const said: string[] = []
  vi.spyOn(log, 'error').mockImplementation((...[, text]: unknown[]) => void said.push(String(text)))
  const watch = startSpaceWatch({ db, log, folders, intervalMs: 5, ...more })
  afterwards(async () => {
    await watch.stop()
    await db.end()
  })
  return { watch, said }
}

test('a disk of the data folder with little space left is full, and told once', async () => {
  const folder = await temporaryFolder()
  const { watch, said } = await watchSpace({ folders: [folder], leastFreeBytes: Number.MAX_SAFE_INTEGER })
  await eventually(() => !watch.isEnough())
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(said).toEqual(['database.full'])
})

test.each([
  ['a database that is away', 'postgres://flo:flo@127.0.0.1:1/flo'],
  ['a database that answers', undefined],
])('%s has no full disk', async (_, url) => {
  const { watch, said } = await watchSpace({ ...(url && { url }), folders: ['/nowhere'] })
  await new Promise((resolve) => setTimeout(resolve, 150))
  expect([watch.isEnough(), said]).toEqual([true, []])
})
