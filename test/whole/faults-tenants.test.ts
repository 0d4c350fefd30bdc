import { expect, test } from 'vitest'
import { hostileTenant } from '../../torture/faults.ts'
import { addsUpAfter, struckBy, underLoad } from '../support/faults.ts'

test('beside a client that does its worst nothing of another is refused, lost or sent twice', async () => {
  const setting = await underLoad({ processes: 2, perSecond: 30 })
  const struck = await struckBy(setting, [hostileTenant, hostileTenant], () => 0.3)
  const sums = await addsUpAfter(setting, struck)
  expect(sums.accepted).toBeGreaterThan(60)
  expect([...setting.stripe.refusals]).toEqual([])
})
