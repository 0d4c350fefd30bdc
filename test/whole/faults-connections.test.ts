import { expect, test } from 'vitest'
import { deadNames, noDescriptors } from '../../torture/connection-faults.ts'
import { addsUpAfter, struckBy, underLoad } from '../support/faults.ts'

test('beside endpoints whose names never resolve, nothing of another client is lost or refused', async () => {
  const setting = await underLoad({ processes: 2, perSecond: 30 })
  const struck = await struckBy(setting, [deadNames], () => 0.3)
  const sums = await addsUpAfter(setting, struck)
  expect(sums.accepted).toBeGreaterThan(60)
  expect([...setting.stripe.refusals]).toEqual([])
})

test.runIf(process.platform === 'linux')(
  'without descriptors nothing is lost, and no endpoint is charged for it',
  async () => {
    const setting = await underLoad({ processes: 2, perSecond: 30 })
    const struck = await struckBy(setting, [noDescriptors], () => 0.3)
    await addsUpAfter(setting, struck)
    const charged = await setting.server.run(
      `select count(*)::int as count from attempts where error not in ('gateway', 'proxy') and error is not null`,
    )
    expect(charged).toEqual([{ count: 0 }])
  },
)
