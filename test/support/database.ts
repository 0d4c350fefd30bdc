import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { type Db, openPool } from '../../src/database/db.ts'
import { afterwards } from './afterwards.ts'

export const TEMPLATE = 'flo_template'

/** A migrated, empty database for one test file, dropped after it; `db` is a pool on it. */
export async function freshDatabase({ max = 10 } = {}): Promise<{ url: string; db: Db }> {
  const { url, drop } = await clonedDatabase(TEMPLATE)
  const db = openPool(url, { max })
  afterwards(async () => {
    await db.end()
    await drop()
  })
  return { url, db }
}

/** A database that not even the migrations have touched, dropped after the file. */
export async function emptyDatabase(): Promise<string> {
  const { url, drop } = await clonedDatabase('template1')
  afterwards(drop)
  return url
}

/** Runs one statement on a connection of its own. */
export async function onServer(url: string, statement: string) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(statement)
  } finally {
    await client.end()
  }
}

async function clonedDatabase(template: string) {
  const server = inject('postgresUrl')
  const name = `test_${randomBytes(8).toString('hex')}`
  // The files are copied, rather than written through the log: half as long.
  await onServer(server, `create database ${name} template ${template} strategy file_copy`)
  const drop = () => onServer(server, `drop database ${name} with (force)`)
  return { url: server.replace(/postgres$/, name), drop }
}
