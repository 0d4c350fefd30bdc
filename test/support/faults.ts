import { expect } from 'vitest'
import { type Setting, startSetting } from '../../torture/setting.ts'
import {
  type Fault,
  type StrikeReport,
  settleAndAddUp,
  strikeFault,
  strikeLine,
  unexplainedRepeats,
} from '../../torture/strike.ts'
import { type Sums, unevenClients } from '../../torture/sums.ts'
import { afterwards } from './afterwards.ts'
import { stretch } from './patience.ts'

/** Of them, every fifth is behind one source that routes. */
const CLIENTS = 10

/** Gateways under the load of several clients, ended after the test or file. */
export async function underLoad(asked: Parameters<typeof startSetting>[0], warm = 40): Promise<Setting> {
  const setting = await startSetting({ clients: CLIENTS, ...asked })
  afterwards(setting.stop)
  await setting.stripe.untilAccepted(warm)
  return setting
}

/** Lets the faults strike one after another, each after recovery from the one before, and prints what came of each. */
export async function struckBy(
  setting: Setting,
  faults: readonly Fault[],
  random = Math.random,
): Promise<StrikeReport[]> {
  const struck: StrikeReport[] = []
  for (const fault of faults) {
    const one = await strikeFault(setting, fault, { random, patienceMs: stretch(90_000) })
    console.log(strikeLine(one))
    struck.push(one)
    await setting.stripe.untilAccepted(10)
  }
  return struck
}

/** Ends the load and fails unless everything accepted has arrived, nothing else has, and the ledger says the same. */
export async function addsUpAfter(setting: Setting, struck: readonly StrikeReport[]): Promise<Sums> {
  const sums = await settleAndAddUp(setting, { patienceMs: stretch(120_000) })
  const { accepted, arrivals, repeats, ledger, missing, invented, astray, deliveredTwice: twice, addsUp } = sums
  console.log(
    `${accepted} events accepted, ${arrivals} requests at ${sums.endpoints} endpoints, ${repeats.length} of them sent once more`,
  )
  expect({ missing, invented, astray, twice, addsUp }, ledger).toEqual({
    ...{ missing: [], invented: [], astray: [], twice: [], addsUp: true },
  })
  expect(unevenClients(sums.clients), 'whose own sums are wrong').toEqual([])
  expect(unexplainedRepeats(repeats, struck), 'repeated though not in flight at a fault').toEqual([])
  return sums
}
