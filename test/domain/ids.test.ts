import fc from 'fast-check'
import { parse, v5, validate, version } from 'uuid'
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

test('an id of words is the UUIDv5 of their UTF-8 bytes with NUL between them', () => {
  const namespace = parse('6b3f0c52-6a0e-5d0b-9f6a-5a1f2c0d7e11')
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 4 }), (words) => {
      expect(idOfWords(...words)).toBe(v5(Buffer.from(words.join('\u0000')), namespace))
    }),
  )
  expect(idOfWords('half a character', 'a\ud800b')).toBe(v5(Buffer.from('half a character\u0000a\ufffdb'), namespace))
})

test('the same words give the same id, and words do not run into each other', () => {
  expect(idOfWords('user', 'a', 'b')).toBe(idOfWords('user', 'a', 'b'))
  expect(idOfWords('user', 'a', 'b')).not.toBe(idOfWords('user', 'ab', ''))
})
