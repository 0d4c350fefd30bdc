import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  cutInTheMiddle,
  cutOff,
  diskFull,
  halfClosed,
  killBackend,
  restartDatabase,
  silence,
} from '../../torture/faults.ts'
import { addsUpAfter, struckBy, underLoad } from '../support/faults.ts'

test('PostgreSQL is stopped, crashed and started under load: nothing is lost', async () => {
  const setting = await underLoad({ processes: 2 })
  const faults = [restartDatabase('fast'), restartDatabase('immediate'), killBackend]
  await addsUpAfter(setting, await struckBy(setting, faults, () => 0.3))
  expect(setting.gateways.flatMap(({ crashes }) => crashes)).toEqual([])
})

test('connections to the database break in every way: reset, in the middle, half closed, silent: nothing is lost', async () => {
  const setting = await underLoad({ processes: 2 })
  const faults = [
    cutOff('drop', 'all'),
    cutInTheMiddle('statement'),
    cutInTheMiddle('answer'),
    halfClosed('client'),
    halfClosed('server'),
    cutOff('stall', 'one'),
    silence('all'),
  ]
  await addsUpAfter(setting, await struckBy(setting, faults, () => 0.3))
  expect(setting.gateways.flatMap(({ crashes }) => crashes)).toEqual([])
})

// Only Linux can say of a process that runs how large its files may become.
test.runIf(process.platform === 'linux')(
  'while the disk is full events are refused, so that Stripe comes again: nothing is lost',
  async () => {
    // Tables grow by this much with each event, so that they come to the limit.
    const pad = randomBytes(4000).toString('hex')
    const setting = await underLoad({ processes: 2, perSecond: 100, pad }, 200)
    await addsUpAfter(setting, await struckBy(setting, [diskFull], () => 0.3))
    expect(setting.stripe.refusals.get('503')).toBeGreaterThan(0)
    expect(setting.gateways.flatMap(({ crashes }) => crashes)).toEqual([])
  },
)
