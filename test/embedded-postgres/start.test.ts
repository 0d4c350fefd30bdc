import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { readPidFile, servesFolder } from '../../src/embedded-postgres/pid-file.ts'
import { type EmbeddedPostgres, startPostgres } from '../../src/embedded-postgres/start.ts'
import { newLog } from '../../src/log.ts'
import { afterwards } from '../support/afterwards.ts'
import { onServer } from '../support/database.ts'
import { temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'

let dataDir: string
beforeEach(async () => {
  dataDir = join(await temporaryFolder(), 'data')
})
const start = async (settings: Record<string, string> = {}): Promise<EmbeddedPostgres> => {
  const server = await startPostgres({ dataDir, log: newLog('silent'), settings })
  afterwards(server.stop)
  return server
}
const pgDir = () => join(dataDir, 'pg')

test('commits are durable, and nobody gets in without the generated password', async () => {
  const { url } = await start()
  for (const setting of ['fsync', 'synchronous_commit', 'full_page_writes'])
    expect((await onServer(url, `show ${setting}`)).rows).toEqual([{ [setting]: 'on' }])
  await expect(onServer(url.replace(/:[^:@]+@/, ':guessed@'), 'select 1')).rejects.toThrow('password')
  const { mode } = await stat(join(dataDir, 'pg-password'))
  expect(mode & 0o777).toBe(0o600)
})

test('what was stored is there after a stop and a start, and the server listens on this machine alone', async () => {
  const first = await start()
  await onServer(first.url, 'create table kept as select 1 as one')
  await first.stop()
  await expect(onServer(first.url, 'select 1')).rejects.toThrow('ECONNREFUSED')
  const { url } = await start()
  expect((await onServer(url, 'select * from kept')).rows).toEqual([{ one: 1 }])
  expect((await onServer(url, 'show listen_addresses')).rows).toEqual([{ listen_addresses: '127.0.0.1' }])
})

test('a postmaster.pid whose number now belongs to another process is no server', async () => {
  await (await start()).stop()
  // This very process lives, and serves nothing.
  await writeFile(join(pgDir(), 'postmaster.pid'), `${process.pid}\n${pgDir()}\n1\n5432\n\n127.0.0.1\n\nready\n`)
  const { url } = await start()
  expect((await onServer(url, 'select 1 as one')).rows).toEqual([{ one: 1 }])
  expect(await servesFolder(present(await readPidFile(pgDir())).pid, pgDir())).toBe(true)
})

test('a postmaster.pid of a process that is gone is no server', async () => {
  await (await start()).stop()
  await writeFile(join(pgDir(), 'postmaster.pid'), `4194304\n${pgDir()}\n1\n5432\n\n127.0.0.1\n\nready\n`)
  const { url } = await start()
  expect((await onServer(url, 'select 1 as one')).rows).toEqual([{ one: 1 }])
})

test('a folder of another PostgreSQL version is left as it is, with the way out', async () => {
  await mkdir(pgDir(), { recursive: true })
  await writeFile(join(pgDir(), 'PG_VERSION'), '17\n')
  await expect(start()).rejects.toThrow(/was written by PostgreSQL 17, the embedded one is 18: .*FLO_DATA_DIR/)
  expect(await readFile(join(pgDir(), 'PG_VERSION'), 'utf8')).toBe('17\n')
})

test('a data folder that cannot be created is named in the error', async () => {
  await mkdir(join(dataDir, '..'), { recursive: true })
  await writeFile(dataDir, 'a file')
  await expect(start()).rejects.toThrow(`The data folder ${dataDir} cannot be created (EEXIST): set FLO_DATA_DIR`)
})

test('a server that does not start says why', async () => {
  await expect(start({ shared_buffers: 'much' })).rejects.toThrow(/did not start[\s\S]*shared_buffers/)
})
