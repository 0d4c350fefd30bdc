import { execFile } from 'node:child_process'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { findAccount } from '../../src/embedded-postgres/account.ts'
import { findBinaries } from '../../src/embedded-postgres/binaries.ts'
import { launchServer } from '../../src/embedded-postgres/launch.ts'
import { findClusterFolder, placePrograms } from '../../src/embedded-postgres/open-place.ts'
import { isProcessAlive } from '../../src/embedded-postgres/pid-file.ts'
import { afterwards } from './afterwards.ts'
import { onServer } from './database.ts'
import { eventually } from './eventually.ts'
import { temporaryFolder } from './gateway.ts'

const PASSWORD = 'of-the-gateway'

/** A folder whose parent others than root may not enter; what is put elsewhere for it is deleted as well. */
export async function closedFolder(): Promise<string> {
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

/**
 * A data folder with a database as 0.1.0 made it: its superuser owns everything, and takes the password.
 */
export async function makeFormerCluster(dataDir: string): Promise<void> {
  await writeFile(join(dataDir, 'pg-password'), `${PASSWORD}\n`, { mode: 0o600 })
  const pgDir = join(dataDir, 'pg')
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
  await eventually(() => !isProcessAlive(server.pid))
  await promisify(execFile)('cp', ['-a', draft, pgDir])
}
