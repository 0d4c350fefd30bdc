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

/** A whole number as text, of so few digits that a product of two is exact as well. */
const FEW_DIGITS = /^-?[1-9]\d{0,6}$/

/** A whole number that the processor counts with exactly, as most amounts are; null: it takes decimal arithmetic. */
function wholeOf(value: number | string): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value !== 0 ? value : null
  return typeof value === 'string' && FEW_DIGITS.test(value) ? Number(value) : null
}

/** Minor units (an integer or a decimal string such as `unit_amount_decimal`) to major units, exactly. */
export function majorUnits(minor: number | string, currency: string): number {
  const digits = minorDigits(currency)
  const whole = wholeOf(minor)
  // The quotient of two whole numbers is rounded to the nearest number, and so is a decimal that is read.
  if (whole !== null) return whole / (DIVISORS[digits] as number)
  return decimalOf(minor)
    .times(SCALES[digits] as Big)
    .toNumber()
}
const DIVISORS = [1, 10, 100, 1000]

/** Exact product of a unit amount and a quantity, both numbers or decimal strings; a decimal string in minor units. */
export function multiplyAmount(amount: number | string, quantity: number | string): string {
  const [a, b] = [wholeOf(amount), wholeOf(quantity)]
  if (a !== null && b !== null && Number.isSafeInteger(a * b)) return String(a * b)
  return decimalOf(amount).times(decimalOf(quantity)).toFixed()
}

/** Exact sum of minor units; a decimal string. */
export function sumAmounts(amounts: readonly (number | string)[]): string {
  let sum = 0
  for (const amount of amounts) {
    const whole = wholeOf(amount)
    if (whole === null || !Number.isSafeInteger(sum + whole)) return sumDecimals(amounts)
    sum += whole
  }
  return String(sum)
}

const sumDecimals = (amounts: readonly (number | string)[]): string =>
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
