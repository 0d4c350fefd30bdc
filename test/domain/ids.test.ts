import { validate, version } from 'uuid'
import { expect, test } from 'vitest'
import { idOfWords, isUuid, newId } from '../../src/domain/ids.ts'

test('new ids are UUIDv7 and sort in the order they were made', () => {
  const ids = Array.from({ length: 20_000 }, newId)
  expect(ids.every((id) => validate(id) && version(id) === 7 && isUuid(id))).toBe(true)
  expect([...ids].sort()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
})

test('a new id carries the time that it was made', () => {
  const before = Date.now()
  const ms = Number.parseInt(newId().replaceAll('-', '').slice(0, 12), 16)
  expect(ms).toBeGreaterThanOrEqual(before)
})

test('the same words give the same id, and words do not run into each other', () => {
  expect(idOfWords('user', 'a', 'b')).toBe(idOfWords('user', 'a', 'b'))
  expect(idOfWords('user', 'a', 'b')).not.toBe(idOfWords('user', 'ab', ''))
})
