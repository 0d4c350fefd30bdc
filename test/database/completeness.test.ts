import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, test } from 'vitest'
import { readCompleteness } from '../../src/database/complete-until.ts'
import { createSession, type Db, openPool } from '../../src/database/db.ts'
import { warnOfHiddenSessions } from '../../src/database/requirements.ts'
import type { Log } from '../../src/log.ts'
import { afterwards } from '../support/afterwards.ts'
import { freshDatabase, onServer } from '../support/database.ts'

const server = inject('postgresUrl')
const SHORTLY = 5
const AGO_MS = 5000

async function newRole(url: string): Promise<{ role: string; url: string }> {
  const role = `role_${randomBytes(6).toString('hex')}`
  await onServer(server, `create role ${role} login password 'secret'`)
  afterwards(async () => {
    await onServer(url, `drop owned by ${role} cascade`)
    await onServer(server, `drop role ${role}`)
  })
  return { role, url: Object.assign(new URL(url), { username: role, password: 'secret' }).href }
}

const withParameter = (url: string, name: string, value: string) => {
  const changed = new URL(url)
  changed.searchParams.set(name, value)
  return changed.href
}

/** A transaction on a connection of its own, with what it has done so far; answers when it began, and how to end it. */
async function begin(pool: Db, statement = 'select 1') {
  const tx = await pool.connect()
  await tx.query('begin')
  const { rows } = await tx.query('select now() as at')
  await tx.query(statement)
  let isOver = false
  const end = async () => {
    if (isOver) return
    isOver = true
    await tx.query('rollback')
    tx.release()
  }
  // Also where the test fails: its roles cannot be dropped before.
  afterwards(end)
  return { at: rows[0].at as Date, end }
}
const newPool = (url: string): Db => {
  const pool = openPool(url, { max: 2 })
  afterwards(() => pool.end())
  return pool
}
const nowOf = async (db: Db): Promise<number> => (await db.query('select now() as at')).rows[0].at.getTime()

/** What a start says of sessions that it cannot see. */
async function warningsOf(url: string): Promise<[string, object][]> {
  const said: [string, object][] = []
  const session = createSession(url, { application_name: 'flo-gateway migrations' })
  await session.connect()
  await warnOfHiddenSessions(session, {
    warn: (what: object, code: string) => said.push([code, what]),
  } as unknown as Log)
  await session.end()
  return said
}

describe('rows are complete until the start of', () => {
  test.each(['second', 'flo-gateway two', 'flo'])('a gateway whose URL calls its sessions "%s"', async (name) => {
    const { url, db } = await freshDatabase()
    const { at, end } = await begin(newPool(withParameter(url, 'application_name', name)))
    await sleep(SHORTLY)
    expect((await readCompleteness(db)).until).toEqual(at)
    await end()
    expect((await readCompleteness(db)).until.getTime()).toBeGreaterThan(at.getTime())
  })

  test('whoever has written, by hand too; one that only reads elsewhere holds nothing back', async () => {
    const { url, db } = await freshDatabase()
    const byHand = createSession(url, { application_name: 'psql' })
    await byHand.connect()
    await byHand.query('begin')
    const at = (await byHand.query('select now() as at')).rows[0].at
    await sleep(SHORTLY)
    expect((await readCompleteness(db)).until.getTime()).toBeGreaterThan(at.getTime())
    await byHand.query(`insert into clients (id, name) values (gen_random_uuid(), 'by hand')`)
    await sleep(SHORTLY)
    expect((await readCompleteness(db)).until).toEqual(at)
    await byHand.end()
  })

  test('one that hangs, and a reader is told', async () => {
    const { url, db } = await freshDatabase()
    const { at, end } = await begin(newPool(url), `insert into clients (id, name) values (gen_random_uuid(), 'hangs')`)
    await sleep(SHORTLY)
    expect(await readCompleteness(db)).toEqual({ until: at, isHeldBack: false })
    await sleep(100)
    expect(await readCompleteness(db, { heldBackSeconds: 0.1 })).toEqual({ until: at, isHeldBack: true })
    await end()
    expect((await readCompleteness(db)).isHeldBack).toBe(false)
  })
})

describe('where a start cannot be seen, rows are complete until a minute ago, a reader and the operator are told', () => {
  const expectUnseen = async (db: Db) => {
    const { until, isHeldBack } = await readCompleteness(db)
    expect(Math.abs((await nowOf(db)) - 60_000 - until.getTime())).toBeLessThan(AGO_MS)
    expect(isHeldBack).toBe(true)
  }

  test('processes of roles of which one sees nothing, or not all, of the other', async () => {
    const { url } = await freshDatabase()
    const [one, other] = [await newRole(url), await newRole(url)]
    const pools = [newPool(one.url), newPool(other.url)] as const
    const { at, end } = await begin(pools[1])
    await expectUnseen(pools[0])
    const hides = (who: string, whose: string) => [
      'database.sessions_hidden',
      { role: who, hidden: whose, mend: `grant pg_read_all_stats to "${who}"` },
    ]
    const warnings = await warningsOf(one.url)
    expect(warnings).toHaveLength(2)
    expect(warnings).toEqual(expect.arrayContaining([hides(one.role, other.role), hides(other.role, one.role)]))
    // In one direction alone, whichever starts last.
    await onServer(server, `grant ${other.role} to ${one.role}`)
    expect((await readCompleteness(pools[0])).until).toEqual(at)
    await expectUnseen(pools[1])
    expect(await warningsOf(one.url)).toEqual([hides(other.role, one.role)])
    expect(await warningsOf(other.url)).toEqual([hides(other.role, one.role)])
    await onServer(server, `grant pg_read_all_stats to ${other.role}`)
    expect(await warningsOf(other.url)).toEqual([])
    await end()
    expect((await readCompleteness(pools[1])).isHeldBack).toBe(false)
  })

  test('a role that becomes another one when it logs in', async () => {
    const { url } = await freshDatabase()
    const [owner, guest] = [await newRole(url), await newRole(url)]
    await onServer(server, `grant ${owner.role} to ${guest.role}`)
    await onServer(server, `alter role ${guest.role} set role = ${owner.role}`)
    const { end } = await begin(newPool(guest.url))
    await expectUnseen(newPool(guest.url))
    expect(await warningsOf(guest.url)).toEqual([
      [
        'database.sessions_hidden',
        { role: owner.role, hidden: guest.role, mend: `grant pg_read_all_stats to "${owner.role}"` },
      ],
    ])
    await end()
  })

  test('a database that does not track what its sessions do', async () => {
    const { url, db } = await freshDatabase()
    expect(await warningsOf(url)).toEqual([])
    await onServer(server, `alter database ${new URL(url).pathname.slice(1)} set track_activities = off`)
    const { end } = await begin(newPool(url), `insert into clients (id, name) values (gen_random_uuid(), 'unseen')`)
    await expectUnseen(db)
    expect(await warningsOf(url)).toEqual([
      ['database.activity_untracked', { mend: 'alter database ... set track_activities = on' }],
    ])
    await end()
  })
})
