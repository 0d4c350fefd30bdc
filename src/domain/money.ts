import Big from 'big.js'

// Stripe's own lists: https://docs.stripe.com/currencies. ISK and UGX have no minor unit, yet Stripe sends them with two
// decimals (always 00); HUF and TWD are zero-decimal for payouts alone.
const ZERO_DECIMAL = new Set('BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF'.split(' '))
const THREE_DECIMAL = new Set('BHD JOD KWD OMR TND'.split(' '))

/** How many decimals Stripe's minor units of a currency carry: JPY 0, USD 2, KWD 3. Any case. */
export function minorDigits(currency: string): number {
  const code = currency.toUpperCase()
  return ZERO_DECIMAL.has(code) ? 0 : THREE_DECIMAL.has(code) ? 3 : 2
}

/** What one minor unit is in major units, by the number of decimals. */
const SCALES = [0, 1, 2, 3].map((digits) => Big(10).pow(-digits))

/** Digits before and behind the point: Stripe's decimals have up to 12 behind it, and the product of two has twice as many. */
const DECIMAL = /^-?\d{1,24}(\.\d{1,24})?$/

/**
 * An amount or quantity, as a number or a decimal text. Throws a RangeError for all else: a text of a few characters may stand for
 * a number that fills the memory (`1e100000000`), and a number beyond 2^53 is not the one that was sent.
 */
export function decimalOf(value: unknown): Big {
  const isExact = typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER
  if (isExact || (typeof value === 'string' && DECIMAL.test(value))) return Big(value)
  throw new RangeError('no decimal number')
}

/** Minor units (an integer or a decimal string such as `unit_amount_decimal`) to major units, exactly. */
export const majorUnits = (minor: number | string, currency: string): number =>
  decimalOf(minor)
    .times(SCALES[minorDigits(currency)] as Big)
    .toNumber()

/** Exact product of a unit amount and a quantity, both numbers or decimal strings; a decimal string in minor units. */
export const multiplyAmount = (amount: number | string, quantity: number | string): string =>
  decimalOf(amount).times(decimalOf(quantity)).toFixed()

/** Exact sum of minor units; a decimal string. */
export const sumAmounts = (amounts: readonly (number | string)[]): string =>
  amounts.reduce<Big>((sum, amount) => sum.plus(decimalOf(amount)), Big(0)).toFixed()

/** What we have computed of such amounts: products of amounts, quantities and periods, rounded to 12 decimals. */
const COMPUTED_DECIMAL = /^-?\d{1,96}(\.\d{1,48})?$/

/** A number or decimal text as `decimalOf` reads it, or one that was computed of such. Throws a RangeError for all else. */
const computedDecimalOf = (value: number | string): Big =>
  typeof value === 'string' && COMPUTED_DECIMAL.test(value) ? Big(value) : decimalOf(value)

/** Whether a number, or a decimal string, is greater than another. */
export const isGreater = (amount: number | string, than: number | string): boolean =>
  typeof amount === 'number' && typeof than === 'number'
    ? amount > than
    : computedDecimalOf(amount).gt(computedDecimalOf(than))
