import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { findAccount, isRoot } from '../../src/embedded-postgres/account.ts'
import { findBinaries } from '../../src/embedded-postgres/binaries.ts'
import { launchServer } from '../../src/embedded-postgres/launch.ts'
import { findClusterFolder, placePrograms } from '../../src/embedded-postgres/open-place.ts'
import { readPidFile } from '../../src/embedded-postgres/pid-file.ts'
import { type EmbeddedPostgres, startPostgres } from '../../src/embedded-postgres/start.ts'
import { newLog } from '../../src/log.ts'
import { afterwards } from '../support/afterwards.ts'
import { onServer } from '../support/database.ts'
import { temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'

// What whoever gets to run statements of his own in the embedded database can reach of the machine: nothing.

const log = newLog('silent')
const PASSWORD = 'of-the-gateway'

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

/** A folder whose parent others than root may not enter; what is put elsewhere for it is deleted as well. */
async function closedFolder(): Promise<string> {
  const parent = await temporaryFolder()
  await chmod(parent, 0o700)
  const dataDir = join(parent, 'data')
  await mkdir(dataDir, { mode: 0o700 })
  afterwards(async () => {
    const pgDir = await findClusterFolder(dataDir)
    if (!pgDir.startsWith(dataDir)) await rm(dirname(pgDir), { recursive: true, force: true })
  })
  return dataDir
}

/** A database as 0.1.0 made it: its superuser owns everything, and takes the password. */
async function makeFormerCluster(pgDir: string): Promise<void> {
  const account = await findAccount(pgDir)
  const { initdb, postgres } = await placePrograms(await findBinaries(), account)
  const folder = await temporaryFolder()
  const draft = join(folder, 'pg')
  await mkdir(draft)
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, PASSWORD)
  for (const path of [draft, passwordFile]) await account.takeOwnership(path)
  const { file, args, options } = account.buildCommand(initdb, [
    ...[`--pgdata=${draft}`, '--username=flo', `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'],
    ...['--locale=C'],
  ])
  await promisify(execFile)(file, args, { ...options, cwd: '/' })
  const server = await launchServer(draft, { postgres, account, logFile: join(folder, 'log'), settings: {} })
  if ('retry' in server) throw new Error(server.retry)
  await onServer(
    `postgres://flo:${PASSWORD}@127.0.0.1:${server.port}/postgres`,
    `create type mood as enum ('good');
     create table kept (id serial primary key, mood mood) partition by range (id);
     create table kept_1 partition of kept for values from (0) to (10);
     insert into kept (mood) values ('good');
     create schema graphile_worker; create table graphile_worker.jobs (id int);
     create function kept_twice() returns int language sql return 2;
     create view seen as select * from kept;
     create sequence counting`,
  )
  process.kill(server.pid, 'SIGINT')
  await expect.poll(() => readPidFile(draft), { timeout: 60_000 }).toBeNull()
  await promisify(execFile)('cp', ['-a', draft, pgDir])
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
  await writeFile(join(dataDir, 'pg-password'), `${PASSWORD}\n`, { mode: 0o600 })
  await makeFormerCluster(join(dataDir, 'pg'))
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
  await writeFile(join(dataDir, 'pg-password'), `${PASSWORD}\n`, { mode: 0o600 })
  await makeFormerCluster(join(dataDir, 'pg'))
  const { url } = await start(dataDir)
  expect((await onServer(url, 'select * from seen')).rows).toEqual([{ id: 1, mood: 'good' }])
  expect(await findClusterFolder(dataDir)).not.toBe(join(dataDir, 'pg'))
})
