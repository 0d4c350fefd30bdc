import { expect, test } from 'vitest'
import { inShortTransaction, openPool } from '../../src/database/db.ts'
import { createRowInsert } from '../../src/database/insert-rows.ts'
import { afterwards } from '../support/afterwards.ts'
import { freshDatabase } from '../support/database.ts'

const { url } = await freshDatabase()

async function openTable() {
  const db = openPool(url, { max: 1 })
  afterwards(() => db.end())
  await db.query('drop table if exists numbers')
  await db.query('create table numbers (n int primary key check (n <> 13))')
  return db
}

const insertNumbers = createRowInsert<number>({
  name: 'test.numbers',
  table: 'numbers',
  columns: { n: (n) => n },
  isSentAtOnce: true,
})

const numbersFrom = (from: number, count: number) => Array.from({ length: count }, (_, at) => from + at)

test('a transaction whose last statements are sent with its commit stores all of them, in however many they are split', async () => {
  const db = await openTable()
  const result = await inShortTransaction(db, {
    read: async (tx) => (await tx.query('select 7 as n')).rows[0].n,
    write: async (tx, known: number) => ({ result: known, last: insertNumbers(tx, numbersFrom(1_000, 777)) }),
  })
  expect(result).toBe(7)
  expect((await db.query('select count(*)::int as count from numbers')).rows).toEqual([{ count: 777 }])
})

test.each([
  ['the first of its last statements', [13, ...numbersFrom(100, 700)]],
  ['the last of them', [...numbersFrom(100, 700), 13]],
])('nothing of a transaction is kept in which %s fails, though its commit was sent', async (_, numbers) => {
  const db = await openTable()
  const storing = inShortTransaction(db, {
    read: async () => null,
    async write(tx) {
      await tx.query('insert into numbers values (1)')
      return { result: null, last: insertNumbers(tx, numbers) }
    },
  })
  await expect(storing).rejects.toMatchObject({ code: '23514' })
  // The one connection is free, and outside of any transaction.
  expect((await db.query('select count(*)::int as count from numbers')).rows).toEqual([{ count: 0 }])
  await db.query('insert into numbers values (2)')
  const other = openPool(url, { max: 1 })
  afterwards(() => other.end())
  expect((await other.query('select n from numbers')).rows).toEqual([{ n: 2 }])
})

test('what fails before the commit is told, whatever becomes of statements that nobody has waited for', async () => {
  const db = await openTable()
  const storing = inShortTransaction(db, {
    read: async () => null,
    async write(tx) {
      const last = insertNumbers(tx, [13])
      last.catch(() => {})
      await tx.query('select 1 / 0')
      return { result: null, last }
    },
  })
  await expect(storing).rejects.toThrow()
  expect((await db.query('select count(*)::int as count from numbers')).rows).toEqual([{ count: 0 }])
})

test('a transaction that cannot begin or read rejects, and gives its connection back', async () => {
  const db = await openTable()
  const storing = inShortTransaction(db, {
    read: (tx) => tx.query('select * from nowhere'),
    write: async () => ({ result: null, last: Promise.resolve() }),
  })
  await expect(storing).rejects.toMatchObject({ code: '42P01' })
  await db.query('select 1')
})
