import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { majorUnits, minorDigits, multiplyAmount, sumAmounts } from '../../src/domain/money.ts'

describe('minor units', () => {
  test.each([
    ['usd', 4999, 49.99],
    ['USD', 5, 0.05],
    ['jpy', 500, 500],
    ['kwd', 12_340, 12.34],
    ['isk', 490_000, 4900],
    ['ugx', 100, 1],
    ['huf', 12_345, 123.45],
    ['twd', 100, 1],
    ['clp', 7, 7],
  ])('%s %i is %d', (currency, minor, major) => {
    expect(majorUnits(minor, currency)).toBe(major)
  })

  test('fractions of a minor unit stay exact', () => {
    expect(majorUnits('0.05', 'usd')).toBe(0.0005)
    expect(majorUnits('0.000000000001', 'usd')).toBe(1e-14)
  })

  test('become the number that their digits with the point moved spell, of any size and sign', () => {
    const currencies = fc.constantFrom('usd', 'jpy', 'kwd', 'eur', 'isk')
    fc.assert(
      fc.property(fc.integer({ min: -99_999_999_999_999, max: 99_999_999_999_999 }), currencies, (minor, currency) => {
        const digits = minorDigits(currency)
        const text = String(Math.abs(minor)).padStart(digits + 1, '0')
        const spelled = `${minor < 0 ? '-' : ''}${text.slice(0, text.length - digits)}.${text.slice(text.length - digits) || '0'}`
        expect(majorUnits(minor, currency) + 0).toBe(Number(spelled) + 0)
      }),
    )
  })

  test('add up exactly, as numbers or decimal strings', () => {
    const amounts = fc.array(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }))
    fc.assert(
      fc.property(amounts, (list) => {
        expect(BigInt(sumAmounts(list.map(String)))).toBe(list.reduce((sum, one) => sum + one, 0n))
      }),
    )
    expect(sumAmounts([])).toBe('0')
    expect(sumAmounts(['0.1', '0.2', 0.3])).toBe('0.6')
  })

  test('are the same whether they are counted by the processor or as decimals', () => {
    const limit = Number.MAX_SAFE_INTEGER
    const edges = [0, -0, 1, -1, 9_999_999, 10_000_000, limit, -limit, limit - 1]
    const amounts = fc.oneof(fc.constantFrom(...edges), fc.integer(), fc.maxSafeInteger())
    const asDecimal = (amount: number) => `${Math.abs(amount) === 0 ? 0 : amount}.0`
    fc.assert(
      fc.property(amounts, amounts, fc.constantFrom('usd', 'jpy', 'kwd'), (a, b, currency) => {
        for (const one of [a, String(a + 0)]) {
          expect(majorUnits(one, currency) + 0).toBe(majorUnits(asDecimal(a), currency) + 0)
          expect(multiplyAmount(one, b)).toBe(multiplyAmount(asDecimal(a), asDecimal(b)))
          expect(sumAmounts([one, b, 0.5])).toBe(sumAmounts([asDecimal(a), asDecimal(b), '0.5']))
          expect(sumAmounts([one, b])).toBe(sumAmounts([asDecimal(a), asDecimal(b)]))
        }
      }),
    )
  })

  test('multiply exactly', () => {
    expect(multiplyAmount('0.05', 1000)).toBe('50')
    expect(multiplyAmount(2900, '1.5')).toBe('4350')
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 12n }), fc.nat(1_000_000), (amount, quantity) => {
        expect(BigInt(multiplyAmount(String(amount), quantity))).toBe(amount * BigInt(quantity))
      }),
    )
  })
})
