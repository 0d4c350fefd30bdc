import { describe, expect, test } from 'vitest'
import { explainDatabaseFailure } from '../../src/database/connect-trouble.ts'

const URL_OF_ALL = 'postgres://gateway:secret@db.example:5432/main'
const errorLike = (message: string, fields: object = {}) => Object.assign(new Error(message), fields)
const lineOf = (error: unknown) => explainDatabaseFailure(error, URL_OF_ALL)?.message ?? null

describe('what ends a start after the first connect is told as what it is', () => {
  test.each([
    ['a reset while reading', errorLike('read ECONNRESET', { code: 'ECONNRESET', syscall: 'read' })],
    ['a reset while connecting again', errorLike('connect ECONNRESET', { code: 'ECONNRESET', syscall: 'connect' })],
    ['an end without a word', errorLike('Connection terminated unexpectedly')],
    ['no host that takes writes', errorLike('no host takes writes (a: read ECONNRESET)', { code: 'ECONNREFUSED' })],
    ['a connection lost between servers', errorLike('connection to the node was lost', { code: '08006' })],
    ['no answer', errorLike('the database does not answer', { code: 'ETIMEDOUT' })],
  ])('lost: %s', (_, error) => {
    expect(lineOf(error)).toBe(
      `The database cannot be reached (${error.message}): check DATABASE_URL and that PostgreSQL runs.`,
    )
  })

  test.each([
    ['the disk is full', errorLike('could not extend file', { code: '53100' }), /refuses.*look at the server/],
    ['it is a standby', errorLike('cannot execute INSERT', { code: '25006' }), /refuses.*look at the server/],
    ['it is stopping', errorLike('terminating connection', { code: '57P01' }), /refuses.*starting or stopping/],
    ['a right is missing', errorLike('permission denied', { code: '42501' }), /refuses.*lacks a right/],
  ])('refused: %s', (_, error, line) => {
    expect(lineOf(error)).toMatch(line)
    expect(lineOf(error)).not.toMatch(/secret|\n/)
  })

  test('what is no trouble of the database is left to others', () => {
    expect(lineOf(new TypeError('x is not a function'))).toBeNull()
    expect(lineOf(errorLike('no such file', { code: 'ENOENT', syscall: 'open' }))).toBeNull()
  })
})
