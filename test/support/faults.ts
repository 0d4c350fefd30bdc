import { expect } from 'vitest'
import { putUp, type Setting } from '../../torture/setting.ts'
import { type Fault, type Struck, settled, strike, told, unexplained } from '../../torture/strike.ts'
import type { Sums } from '../../torture/sums.ts'
import { afterwards } from './afterwards.ts'

/** Gateways under load, ended after the test or file. */
export async function underLoad(asked: Parameters<typeof putUp>[0], warm = 40): Promise<Setting> {
  const setting = await putUp(asked)
  afterwards(setting.stop)
  await setting.stripe.sent(warm)
  return setting
}

/** Lets the faults strike one after another, each after recovery from the one before, and prints what came of each. */
export async function struckBy(setting: Setting, faults: readonly Fault[], random = Math.random): Promise<Struck[]> {
  const struck: Struck[] = []
  for (const fault of faults) {
    const one = await strike(setting, fault, { random })
    console.log(told(one))
    struck.push(one)
    await setting.stripe.sent(10)
  }
  return struck
}

/** Ends the load and fails unless everything accepted has arrived, nothing else has, and the ledger says the same. */
export async function addsUpAfter(setting: Setting, struck: readonly Struck[]): Promise<Sums> {
  const sums = await settled(setting)
  const { accepted, arrivals, repeats, ledger, missing, invented, twice, addsUp } = sums
  console.log(
    `${accepted} events accepted, ${arrivals} requests at ${setting.receivers.length} endpoints, ${repeats.length} of them sent once more`,
  )
  expect({ missing, invented, twice, addsUp }, ledger).toEqual({ missing: [], invented: [], twice: [], addsUp: true })
  expect(unexplained(repeats, struck), 'repeated though not in flight at a fault').toEqual([])
  return sums
}
