import { describe, expect, test } from 'vitest'
import { unreachableOutcome } from '../../src/deliver/attempt/network-errors.ts'
import { isExcused } from '../../src/deliver/attempt-outcome.ts'
import { countOutcome, newHealth } from '../../src/deliver/endpoint/health.ts'
import { NameLookupError } from '../../src/network/names/host-names.ts'

const failing = (code: string, address = '192.0.2.1') => Object.assign(new Error(`connect ${code}`), { code, address })
const several = (...errors: Error[]) => Object.assign(new AggregateError(errors), { code: 'ECONNREFUSED' })

describe('what this machine lacks is no fault of an endpoint', () => {
  test.each<[string, Error]>([
    ...['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EAGAIN', 'ENETDOWN', 'EADDRNOTAVAIL'].map((code): [string, Error] => [
      code,
      failing(code),
    ]),
    ['one of several addresses', several(failing('ECONNREFUSED'), failing('EMFILE'))],
    ['ports, at every address', several(failing('EADDRNOTAVAIL'), failing('EADDRNOTAVAIL'))],
    ['ports, without IPv6 here', several(failing('EADDRNOTAVAIL'), failing('ENETUNREACH', '2001:db8::1'))],
    ['a name server', new NameLookupError('a.test', 'ECONNREFUSED')],
    ['name servers that know nothing', new NameLookupError('a.test', 'FLO_NO_NAME_SERVER')],
    ['a turn to look up a name', new NameLookupError('a.test', 'FLO_LOOKUPS_BUSY')],
  ])('%s', (_, error) => {
    const outcome = unreachableOutcome(error)
    expect(outcome).toMatchObject({ reason: 'gateway', message: expect.stringContaining('no fault of the endpoint') })
    expect(isExcused(outcome)).toBe(true)
    const health = newHealth()
    for (let times = 0; times < 100; times++) countOutcome(health, outcome, 0, 0)
    expect(health).toEqual(newHealth())
  })
})

describe('what only looks like it is charged', () => {
  test.each<[string, Error, string]>([
    ['ECONNREFUSED', failing('ECONNREFUSED'), 'connection'],
    ['an IPv6 address, without IPv6 here', failing('EADDRNOTAVAIL', '2001:db8::1'), 'connection'],
    [
      'one family refused, the other not there',
      several(failing('ECONNREFUSED'), failing('EADDRNOTAVAIL', '2001:db8::1')),
      'connection',
    ],
    ['a name that does not exist', new NameLookupError('a.test', 'ENOTFOUND'), 'dns'],
    ['name servers that are silent', new NameLookupError('a.test', 'ETIMEOUT'), 'dns'],
  ])('%s', (_, error, reason) => {
    expect(unreachableOutcome(error)).toMatchObject({ reason })
  })
})
