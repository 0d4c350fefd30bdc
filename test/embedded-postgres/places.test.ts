import { cp, mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findAccount, isRoot } from '../../src/embedded-postgres/account.ts'
import { findClusterFolder, placeCluster } from '../../src/embedded-postgres/open-place.ts'
import {
  type EmbeddedPostgres,
  hasDatabase,
  runningPostgres,
  startPostgres,
} from '../../src/embedded-postgres/start.ts'
import { newLog } from '../../src/log.ts'
import { afterwards } from '../support/afterwards.ts'
import { onServer } from '../support/database.ts'
import { closedFolder, makeFormerCluster } from '../support/former-cluster.ts'
import { temporaryFolder } from '../support/gateway.ts'

// A data folder whose database is in another place, and what moves, copies and crashes make of the two: one database, and never
// another one in its stead.

const log = newLog('silent')
const start = async (dataDir: string): Promise<EmbeddedPostgres> => {
  const server = await startPostgres({ dataDir, log })
  afterwards(server.stop)
  return server
}
const rowsOf = async ({ url }: { url: string }) => (await onServer(url, 'select id, mood from kept')).rows
const KEPT = [{ id: 1, mood: 'good' }]

/** A data folder that is closed, and its database with a row, moved to its place and stopped. */
async function movedDatabase() {
  const dataDir = await closedFolder()
  await makeFormerCluster(dataDir)
  await (await start(dataDir)).stop()
  return { dataDir, place: await findClusterFolder(dataDir) }
}

describe.skipIf(!isRoot())('a data folder whose database is in another place', () => {
  test('a copy of the folder is told, and not served by the database of the first', async () => {
    const { dataDir } = await movedDatabase()
    const copy = `${dataDir}-copy`
    await cp(dataDir, copy, { recursive: true })
    await expect(start(copy)).rejects.toThrow(/is a copy of the data folder/)
    expect(await rowsOf(await start(dataDir))).toEqual(KEPT)
  })

  test('a folder that was moved keeps its database', async () => {
    const { dataDir } = await movedDatabase()
    const elsewhere = `${dataDir}-moved`
    await rename(dataDir, elsewhere)
    const server = await start(elsewhere)
    expect(await rowsOf(server)).toEqual(KEPT)
    await server.stop()
    await cp(elsewhere, dataDir, { recursive: true })
    await expect(start(dataDir)).rejects.toThrow(/is a copy of the data folder/)
  })

  test.each([
    ['the database', (place: string) => place],
    ['its folder', dirname],
  ])('where %s is gone, no other one is made', async (_, lost) => {
    const { dataDir, place } = await movedDatabase()
    await rename(lost(place), `${dataDir}-lost`)
    await expect(start(dataDir)).rejects.toThrow(/it is not there: bring it back/)
    await mkdir(dirname(lost(place)), { recursive: true })
    await rename(`${dataDir}-lost`, lost(place))
    expect(await rowsOf(await start(dataDir))).toEqual(KEPT)
  })

  test('a database that an older version made in the folder since is told, and neither is used', async () => {
    const { dataDir } = await movedDatabase()
    await makeFormerCluster(dataDir)
    await expect(start(dataDir)).rejects.toThrow(/There are two databases/)
    await rm(join(dataDir, 'pg'), { recursive: true })
    expect(await rowsOf(await start(dataDir))).toEqual(KEPT)
  })
})

describe.skipIf(!isRoot())('a move that is under way', () => {
  test('of gateways that start at once one gets the one database', async () => {
    const dataDir = await closedFolder()
    await makeFormerCluster(dataDir)
    const starts = await Promise.allSettled(Array.from({ length: 4 }, () => startPostgres({ dataDir, log })))
    const servers = starts.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    for (const { stop } of servers) afterwards(stop)
    expect(servers).toHaveLength(1)
    for (const one of starts)
      if (one.status === 'rejected') expect(String(one.reason)).toMatch(/Another gateway .* runs on the data folder/)
    expect(await rowsOf({ url: String(servers[0]?.url) })).toEqual(KEPT)
  })

  test('until it has happened, commands find the database where it is', async () => {
    const dataDir = await closedFolder()
    await makeFormerCluster(dataDir)
    const account = await findAccount(join(dataDir, 'pg'))
    const brokenOff = placeCluster(dataDir, account, async () => Promise.reject(new Error('broken off')))
    await expect(brokenOff).rejects.toThrow('broken off')
    expect(await findClusterFolder(dataDir)).toBe(join(dataDir, 'pg'))
    expect(await hasDatabase(dataDir)).toBe(true)
    expect(await runningPostgres(dataDir)).toBeNull()
    expect(await rowsOf(await start(dataDir))).toEqual(KEPT)
  })

  test('what was broken off between two file systems goes on: half a copy is none', async () => {
    const dataDir = await closedFolder()
    await makeFormerCluster(dataDir)
    const account = await findAccount(join(dataDir, 'pg'))
    await placeCluster(dataDir, account, async () => Promise.reject(new Error('broken off'))).catch(() => {})
    await rename(join(dataDir, 'pg'), join(dataDir, 'pg.moved'))
    expect(await hasDatabase(dataDir)).toBe(true)
    const server = await start(dataDir)
    expect(await rowsOf(server)).toEqual(KEPT)
    await server.stop()
    await cp(await findClusterFolder(dataDir), join(dataDir, 'pg.moved'), { recursive: true })
    expect(await rowsOf(await start(dataDir))).toEqual(KEPT)
  })
})

test('variables of the environment that are meant for other servers change nothing', async () => {
  const before = { ...process.env }
  afterwards(async () => {
    for (const name of ['PGSSLMODE', 'PGOPTIONS']) {
      delete process.env[name]
      if (before[name] !== undefined) process.env[name] = before[name]
    }
  })
  Object.assign(process.env, { PGSSLMODE: 'require', PGOPTIONS: '-c no_such_setting=1' })
  const { url } = await start(join(await temporaryFolder(), 'data'))
  expect((await onServer(url, 'select 1 as one')).rows).toEqual([{ one: 1 }])
})
