import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  countShare,
  type RefundShare,
  type RefundTally,
  totalRefunded,
  withdrawShare,
} from '../../src/language/refund-tally.ts'
import { present } from '../support/present.ts'

/** Counts sights one after another; answers how many were told, and the sum. */
const newAmounts = (sights: RefundShare[]) => {
  let tally: RefundTally | null = null
  let isNew = 0
  for (const sight of sights) {
    const one = countShare(tally, sight)
    tally = one.tally
    if (one.isNew) isNew += 1
  }
  return { isNew, sum: totalRefunded(tally) }
}
const refundShare = (id: string, amount: number): RefundShare => ({ id, upTo: null, amount })
const riseShare = (upTo: number, amount: number): RefundShare => ({ id: null, upTo, amount })

describe('money given back of a payment', () => {
  test('is counted once, whichever path comes first', () => {
    expect(newAmounts([refundShare('re_1', 500), riseShare(500, 500)])).toEqual({ isNew: 1, sum: 500 })
    expect(newAmounts([riseShare(500, 500), refundShare('re_1', 500)])).toEqual({ isNew: 1, sum: 500 })
  })

  test('of two refunds of one amount is counted twice', () => {
    expect(
      newAmounts([riseShare(500, 500), riseShare(1000, 500), refundShare('re_1', 500), refundShare('re_2', 500)]),
    ).toEqual({
      isNew: 2,
      sum: 1000,
    })
  })

  test('is counted when the refund has succeeded, not when the charge shows it on its way', () => {
    const pending: RefundShare = { ...refundShare('re_1', 500), pending: true }
    expect(newAmounts([pending, riseShare(500, 500)])).toEqual({ isNew: 0, sum: 0 })
    expect(newAmounts([pending, riseShare(500, 500), refundShare('re_1', 500)])).toEqual({ isNew: 1, sum: 500 })
  })

  test('counts no longer when the refund failed', () => {
    const { tally } = countShare(null, refundShare('re_1', 500))
    expect(totalRefunded(withdrawShare(tally, refundShare('re_1', 500), 9))).toBe(0)
    expect(countShare(withdrawShare(null, refundShare('re_1', 500), 9), riseShare(500, 500)).isNew).toBe(false)
  })

  test('adds up in any order, on one path, the other, or both', () => {
    const scene = fc
      .array(fc.record({ amount: fc.constantFrom(100, 250, 500), paths: fc.constantFrom('refund', 'rise', 'both') }), {
        minLength: 1,
        maxLength: 6,
      })
      // One path throughout, or both: an account sends refund events or does not.
      .map((list) => list.map((one) => ({ ...one, paths: present(list[0]).paths })))
      .chain((list) => {
        let sum = 0
        const sights = list.flatMap(({ amount, paths }, at) => {
          sum += amount
          return [
            ...(paths !== 'rise' ? [refundShare(`re_${at}`, amount)] : []),
            ...(paths !== 'refund' ? [riseShare(sum, amount)] : []),
          ]
        })
        const total = sum
        return fc
          .tuple(
            fc.shuffledSubarray(sights, { minLength: sights.length }),
            fc.array(fc.constantFrom(...sights), { maxLength: 4 }),
          )
          .map(([order, again]) => ({ sights: [...order, ...again], total, refunds: list.length }))
      })
    fc.assert(
      fc.property(scene, ({ sights, total, refunds }) => {
        expect(newAmounts(sights)).toEqual({ isNew: refunds, sum: total })
      }),
      { numRuns: 500 },
    )
  })
})
