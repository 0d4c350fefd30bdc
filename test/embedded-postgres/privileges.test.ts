import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isRoot } from '../../src/embedded-postgres/account.ts'
import { findClusterFolder } from '../../src/embedded-postgres/open-place.ts'
import { readPidFile } from '../../src/embedded-postgres/pid-file.ts'
import { type EmbeddedPostgres, startPostgres } from '../../src/embedded-postgres/start.ts'
import { newLog } from '../../src/log.ts'
import { afterwards } from '../support/afterwards.ts'
import { onServer } from '../support/database.ts'
import { closedFolder, makeFormerCluster } from '../support/former-cluster.ts'
import { temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'

// What whoever gets to run statements of his own in the embedded database can reach of the machine: nothing.

const log = newLog('silent')

const start = async (dataDir: string): Promise<EmbeddedPostgres> => {
  const server = await startPostgres({ dataDir, log })
  afterwards(server.stop)
  return server
}

async function capabilitiesOf(pgDir: string): Promise<string | undefined> {
  const { pid } = present(await readPidFile(pgDir))
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return /^CapEff:\s*(\w+)$/m.exec(status)?.[1]
}

test('the role of the gateway is no superuser, and reads no file of the server', async () => {
  const dataDir = join(await temporaryFolder(), 'data')
  const { url } = await start(dataDir)
  const { rows } = await onServer(
    url,
    'select rolsuper, rolreplication, rolbypassrls from pg_roles where rolname = user',
  )
  expect(rows).toEqual([{ rolsuper: false, rolreplication: false, rolbypassrls: false }])
  for (const attempt of [
    `select pg_read_file('/etc/passwd')`,
    `copy pg_class from program 'id'`,
    `copy (select 1) to '/tmp/written'`,
    `alter system set log_min_messages = 'debug5'`,
    'create extension adminpack',
    `alter role flo login`,
    'set role flo',
  ])
    await expect(onServer(url, attempt), attempt).rejects.toThrow(/permission denied|must be|not available/)
  await expect(onServer(url.replace('//gateway:', '//flo:'), 'select 1')).rejects.toThrow()
})

test.skipIf(process.platform !== 'linux')('the server has no capabilities', async () => {
  const dataDir = join(await temporaryFolder(), 'data')
  await start(dataDir)
  expect(await capabilitiesOf(join(dataDir, 'pg'))).toMatch(isRoot() ? /^0+$/ : /^\w+$/)
})

test.skipIf(!isRoot())(
  'as root, behind a closed folder, it has none either: its files are put in an open place',
  async () => {
    const dataDir = await closedFolder()
    const first = await start(dataDir)
    const pgDir = await findClusterFolder(dataDir)
    expect(pgDir.startsWith(dataDir)).toBe(false)
    if (process.platform === 'linux') expect(await capabilitiesOf(pgDir)).toMatch(/^0+$/)
    await onServer(first.url, 'create table kept as select 1 as one')
    await first.stop()
    const { url } = await start(dataDir)
    expect((await onServer(url, 'select * from kept')).rows).toEqual([{ one: 1 }])
  },
)

test('a database whose role was the superuser is brought over at the next start, with all that is in it', async () => {
  const dataDir = join(await temporaryFolder(), 'data')
  await mkdir(dataDir)
  await makeFormerCluster(dataDir)
  const { url } = await start(dataDir)
  expect((await onServer(url, 'select * from seen')).rows).toEqual([{ id: 1, mood: 'good' }])
  await onServer(
    url,
    `alter table kept add column more int; alter table graphile_worker.jobs add column more int;
     create or replace function kept_twice() returns int language sql return 3; alter type mood add value 'bad';
     drop view seen; alter sequence counting restart; create table graphile_worker.another (id int)`,
  )
  expect((await onServer(url, 'select rolsuper from pg_roles where rolname = user')).rows).toEqual([
    { rolsuper: false },
  ])
  await expect(onServer(url.replace('//gateway:', '//flo:'), 'select 1')).rejects.toThrow()
})

test.skipIf(!isRoot())('a database behind a closed folder is moved, and has its rows there', async () => {
  const dataDir = await closedFolder()
  await makeFormerCluster(dataDir)
  const { url } = await start(dataDir)
  expect((await onServer(url, 'select * from seen')).rows).toEqual([{ id: 1, mood: 'good' }])
  expect(await findClusterFolder(dataDir)).not.toBe(join(dataDir, 'pg'))
})
