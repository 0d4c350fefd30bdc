import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { findLostKeys, keepPrototypeKeys } from '../../src/domain/prototype-key.ts'

const schema = z.strictObject({ metadata: z.record(z.string(), z.string()).nullable(), rest: z.unknown() })
const given = JSON.parse('{"metadata":{"__proto__":"x","a":"b"},"rest":{"__proto__":{"c":1}}}')

describe('the key __proto__ of JSON', () => {
  test('is found where a schema has lost it, and only there', () => {
    expect(findLostKeys(given, schema.parse(given)).map(({ path }) => path.join('.'))).toEqual(['metadata.__proto__'])
    expect(findLostKeys(given, given)).toEqual([])
  })

  test('is put back as a key, and changes no prototype', () => {
    const kept = keepPrototypeKeys(given, schema.parse(given))
    expect(JSON.stringify(kept)).toBe('{"metadata":{"a":"b","__proto__":"x"},"rest":{"__proto__":{"c":1}}}')
    expect(Object.getPrototypeOf(kept.metadata)).toBe(Object.prototype)
  })
})
