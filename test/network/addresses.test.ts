import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isInnerName, isRefusedPort, refusedReason } from '../../src/network/addresses.ts'

const refused: [address: string, reason: string][] = [
  ['0.0.0.0', 'unspecified'],
  ['0.1.2.3', 'unspecified'],
  ['10.1.2.3', 'private'],
  ['100.64.0.1', 'carrierGradeNat'],
  ['100.100.100.200', 'carrierGradeNat'],
  ['127.0.0.1', 'loopback'],
  ['127.255.255.254', 'loopback'],
  ['168.63.129.16', 'metadata'],
  ['169.254.169.254', 'linkLocal'],
  ['172.31.255.255', 'private'],
  ['192.0.0.192', 'reserved'],
  ['192.0.2.1', 'reserved'],
  ['192.88.99.1', 'reserved'],
  ['192.168.0.1', 'private'],
  ['198.19.255.255', 'reserved'],
  ['198.51.100.1', 'reserved'],
  ['203.0.113.1', 'reserved'],
  ['224.0.0.1', 'multicast'],
  ['240.0.0.1', 'reserved'],
  ['255.255.255.255', 'broadcast'],
  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['::ffff:7f00:1', 'loopback'],
  ['::ffff:a9fe:a9fe', 'linkLocal'],
  ['::127.0.0.1', 'reserved'],
  ['::8.8.8.8', 'reserved'],
  ['0:0:0:0:0:0:8.8.8.8', 'reserved'],
  ['::ffff:0:127.0.0.1', 'rfc6145'],
  ['64:ff9b::127.0.0.1', 'loopback'],
  ['64:ff9b::a9fe:a9fe', 'linkLocal'],
  ['64:ff9b:1::8.8.8.8', 'rfc6052'],
  ['100::1', 'discard'],
  ['2001::1', 'teredo'],
  ['2001:2::1', 'benchmarking'],
  ['2001:10::1', 'deprecatedOrchid'],
  ['2001:20::1', 'orchid2'],
  ['2001:db8::1', 'reserved'],
  ['2002:7f00:1::', '6to4'],
  ['2002:808:808::', '6to4'],
  ['3fff::1', 'reserved'],
  ['2600:1::5efe:10.0.0.1', 'isatap'],
  ['2600:1::200:5efe:8.8.8.8', 'isatap'],
  ['2001:1::1', 'reserved'],
  ['192.31.196.1', 'as112'],
  ['192.52.193.1', 'amt'],
  ['4000::1', 'reserved'],
  ['5f00::1', 'segmentRouting'],
  ['fc00::1', 'uniqueLocal'],
  ['fd00:ec2::254', 'uniqueLocal'],
  ['fe80::1', 'linkLocal'],
  ['fe80::1%eth0', 'zone'],
  ['2600::1%eth0', 'zone'],
  ['fec0::1', 'deprecatedSiteLocal'],
  ['ff02::1', 'multicast'],
]

describe('refusedReason', () => {
  test.each(refused)('refuses %s as %s', (address, reason) => {
    expect(refusedReason(address, [])).toBe(reason)
  })

  test.each(['8.8.8.8', '100.63.255.255', '172.32.0.1', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8', '2606:4700::1111'])(
    'lets %s pass',
    (address) => {
      expect(refusedReason(address, [])).toBeNull()
    },
  )

  test.each(['', 'localhost', '0177.0.0.1', '0x7f.1', '2130706433', '127.1', '[::1]', '8.8.8.8 '])(
    'refuses "%s", which is no address as a resolver gives it',
    (text) => {
      expect(refusedReason(text, ['0.0.0.0/0', '::/0'])).toBe('not an IP address')
    },
  )

  test('an allowed subnet opens its addresses, however they are written, and no others', () => {
    const allowed = ['127.0.0.0/8', '::1/128', 'fe80::/10']
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', 'fe80::1%lo'])
      expect(refusedReason(address, allowed)).toBeNull()
    for (const address of ['10.0.0.1', '::2', '128.0.0.1%x', 'fd00::1', '2600::1%x'])
      expect(refusedReason(address, allowed)).not.toBeNull()
  })

  test('an allowed IPv4 subnet does not open what a NAT64 gateway would reach under the same number', () => {
    expect(refusedReason('64:ff9b::10.0.0.1', ['10.0.0.0/8'])).toBe('private')
    expect(refusedReason('64:ff9b::10.0.0.1', ['64:ff9b::/96'])).toBeNull()
  })

  test('an IPv4 address and its mapped form are judged alike', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => refusedReason(address, []) === refusedReason(`::ffff:${address}`, [])),
    )
  })
})

test('ports of other protocols are refused, those of web servers not', () => {
  for (const port of ['0', '22', '25', '53', '110', '6667', '10080']) expect(isRefusedPort(port)).toBe(true)
  for (const port of ['', '80', '443', '3000', '8080', '8443', '65535']) expect(isRefusedPort(port)).toBe(false)
})

test('names that mean something inside a network alone are told from those of the internet', () => {
  for (const name of [
    'localhost',
    'LOCALHOST.',
    'a.localhost',
    'intranet',
    'db.internal',
    'printer.local',
    'x.home.arpa',
  ])
    expect(isInnerName(name), name).toBe(true)
  for (const name of ['example.com', 'localhost.example.com', 'mylocal', 'internal.example', 'notlocalhost.dev'])
    expect(isInnerName(name), name).toBe(name === 'mylocal')
})
