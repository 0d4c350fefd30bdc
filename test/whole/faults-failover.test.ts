import { expect, test } from 'vitest'
import { failover, failoverInSilence, rebuildStandby } from '../../torture/faults.ts'
import { addsUpAfter, struckBy, underLoad } from '../support/faults.ts'

test('a standby is promoted under load: the gateway finds it by itself, and nothing acknowledged is lost', async () => {
  const setting = await underLoad({ processes: 2, replicated: true })
  const gone = await struckBy(setting, [failover])
  await rebuildStandby(setting)
  // Back again, this time from a machine that has vanished: it refuses nothing, it does not answer.
  const silent = await struckBy(setting, [failoverInSilence])
  await addsUpAfter(setting, [...gone, ...silent])
  expect(setting.gateways.flatMap(({ crashes }) => crashes)).toEqual([])
})
