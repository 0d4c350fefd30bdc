import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { createPeers } from '../../src/network/peers.ts'

const PROXY = '10.0.0.9'
const requestWith = (headers: Record<string, string>) => ({ headers }) as unknown as IncomingMessage
const senderOf = (chain: string, peer = PROXY) =>
  createPeers(['10.0.0.0/8', '2001:db8:aaaa::/48']).forwardedFor(requestWith({ 'x-forwarded-for': chain }), peer)

test.each([
  ['alone', '203.0.113.7'],
  ['with a port', '203.0.113.7:4711'],
  ['behind what its sender made up', '198.51.100.1, 203.0.113.7'],
  ['before proxies of ours', '203.0.113.7, 10.1.1.1, 10.0.0.8:443'],
  ['before one of ours with IPv6', '203.0.113.7, [2001:db8:aaaa::1]:443'],
  ['as IPv4 in IPv6', '::ffff:203.0.113.7'],
  ['behind 15 KB of what its sender made up', `${'1.1.1.1,'.repeat(1_900)}203.0.113.7`],
])('the sender that a trusted proxy names is found: %s', (_, chain) => {
  expect(senderOf(chain)).toBe('203.0.113.7')
})

test.each(['unknown', '', ',,,', '[', '[::1', '_hidden', '10.1.1.1', `${' '.repeat(15_000)}x`])(
  'where a proxy names nobody, nobody is counted: %j',
  (chain) => {
    expect(senderOf(chain)).toBeNull()
  },
)

test('what an address that is no trusted proxy says of a sender is not believed', () => {
  expect(senderOf('203.0.113.7', '198.51.100.1')).toBeNull()
})

test('addresses of one IPv6 network share what one sender may have, in whatever form', () => {
  const { shareOf } = createPeers([])
  const shares = ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', '2001:0db8:0001:0002:0:0:0:3'].map(shareOf)
  expect(new Set(shares).size).toBe(1)
  expect(shareOf('2001:db8:1:3::1')).not.toBe(shares[0])
  expect([shareOf('203.0.113.7'), shareOf('203.0.113.8')]).toEqual(['203.0.113.7', '203.0.113.8'])
  expect(senderOf('[2001:db8:1:2::7]:4711')).toBe(shares[0])
})
