import { expect, test } from 'vitest'
import { createDatabaseClock, learnClock } from '../../src/database/clock.ts'
import { freshDatabase } from '../support/database.ts'

const HOUR_MS = 3_600_000
/** A sample that took `tookMs`, of a database whose clock is `ahead` of this machine's. */
const sampleOf = (ahead: number, tookMs: number) => {
  const receivedAt = performance.now()
  return { at: new Date(Date.now() + ahead - tookMs / 2), sentAt: receivedAt - tookMs, receivedAt }
}
const aheadOf = ({ now }: { now: () => Date }) => now().getTime() - Date.now()

test('it is the machine’s until the database was asked, and the database’s from then on', async () => {
  const clock = createDatabaseClock()
  expect(Math.abs(aheadOf(clock))).toBeLessThan(1000)
  for (const ahead of [HOUR_MS, -HOUR_MS]) {
    clock.learn(sampleOf(ahead, 2))
    expect(Math.abs(aheadOf(clock) - ahead)).toBeLessThan(1000)
  }
})

test('a sample that took long does not spoil an exact one; one that it cannot explain replaces it', () => {
  const clock = createDatabaseClock()
  clock.learn(sampleOf(HOUR_MS, 2))
  clock.learn(sampleOf(HOUR_MS + 1500, 4000))
  expect(Math.abs(aheadOf(clock) - HOUR_MS)).toBeLessThan(1000)
  clock.learn(sampleOf(HOUR_MS + 10_000, 4000))
  expect(Math.abs(aheadOf(clock) - HOUR_MS - 10_000)).toBeLessThan(3000)
})

test('it is asked of a real database, between two of its own statements', async () => {
  const { db } = await freshDatabase()
  const read = async () => (await db.query<{ at: Date }>('select clock_timestamp() as at')).rows[0]?.at.getTime() ?? 0
  const clock = await learnClock(db)
  const [before, now, after] = [await read(), clock.now().getTime(), await read()]
  expect(now).toBeGreaterThan(before - 1000)
  expect(now).toBeLessThan(after + 1000)
})

test('the latest that it may say is never before what the database says, however long the answers took on either way', () => {
  const clock = createDatabaseClock()
  // The database read its clock as soon as it was asked, and the answer took long: the middle of both is behind the clock.
  for (const tookMs of [800, 400, 20]) {
    const receivedAt = performance.now()
    const at = Date.now() + HOUR_MS
    clock.learn({ at: new Date(at), sentAt: receivedAt - tookMs, receivedAt })
    const [latest, now, database] = [clock.latest(), clock.now(), Date.now() + HOUR_MS - 1]
    expect(latest.getTime()).toBeGreaterThanOrEqual(database)
    expect(latest.getTime() - now.getTime()).toBeLessThanOrEqual(tookMs)
  }
})
