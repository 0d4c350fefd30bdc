import { expect, test } from 'vitest'
import { findWholeScans } from '../../bench/growth/whole-scans.ts'
import { freshDatabase } from '../support/database.ts'

const { db } = await freshDatabase()
await db.query(`
  create table large (id int primary key, word text not null);
  create table small (id int primary key, word text not null);
  insert into large select n, 'word ' || n from generate_series(1, 5000) n;
  insert into small select n, 'word ' || n from generate_series(1, 50) n;
  analyze large, small`)

test.each([
  ['a scan without an index', `select id from large where word = $1::text`, ['word 7'], 'Seq Scan of large'],
  ['one inside a join', `select 1 from small s join large l on l.word = s.word where s.id = $1::int`, [7], 'of large'],
  ['one in an update', `update large set word = '' where word = any($1::text[])`, [['word 7']], 'Seq Scan of large'],
])('what reads a large table as a whole is found, for its values and for any: %s', async (_, text, values, scan) => {
  const found = await findWholeScans(db, { text, values })
  expect(found).toEqual([
    expect.stringMatching(`^for any values: .*${scan}$`),
    expect.stringMatching(`^for its values: .*${scan}$`),
  ])
  expect((await db.query(`select count(*)::int as count from large where word = ''`)).rows).toEqual([{ count: 0 }])
})

test('an index that is read from one end to the other is found', async () => {
  const found = await findWholeScans(db, { text: 'select id from large order by id', values: [] })
  expect(found).toEqual([expect.stringMatching(/Scan .*of large$/)])
})

test.each([
  ['by its index', `select word from large where id = $1::int`, [7]],
  ['for a batch by its index', `select word from unnest($1::int[]) w(id) join large l using (id)`, [[1, 2, 3]]],
  ['of a small table', `select id from small where word = $1::text`, ['word 7']],
  ['until enough is found', `select id from large order by id limit 3`, []],
])('what reads %s is none', async (_, text, values) => {
  expect(await findWholeScans(db, { text, values })).toEqual([])
})
