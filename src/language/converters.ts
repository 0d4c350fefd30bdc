import { isUuid } from '../domain/ids.ts'
import type { Json } from '../domain/json.ts'
import { decimalOf, majorUnits, multiplyAmount } from '../domain/money.ts'
import { memoizeByKey } from './memoized.ts'
import { isIdText } from './unreadable.ts'
import { combiner, converter } from './words.ts'

// A converter that throws has got a value that it cannot read: the evaluation adds where it stands.

/** Unix seconds to ISO 8601 in UTC with milliseconds; what is no moment of the years that we can write reads as absent. */
export const isoTime = converter('isoTime', (seconds: number): string | null => {
  if (typeof seconds !== 'number') return refuseValue()
  const time = new Date(seconds * 1000)
  const year = time.getUTCFullYear()
  return year >= 1 && year <= 9999 ? time.toISOString() : null
})

/** An id however Stripe wrote it: a string or an expanded object. */
export const idOf = converter('idOf', (ref: string | { id?: string | null }): string | null => readRef(ref))

function readRef(ref: Json): string | null {
  const id = typeof ref === 'object' && ref !== null && !Array.isArray(ref) ? ref.id : ref
  if (id === null || id === undefined || id === '') return null
  return isIdText(id) ? id : refuseValue()
}

function refuseValue(): never {
  throw new TypeError('not of the kind that is read here')
}

/** A currency as ISO 4217 writes it. */
export const upperCase = converter('upperCase', (text: string) => text.toUpperCase())

/** Minor units and their currency to a number of major units, exact. */
export const major = combiner('major', (minor: number | string, currency: string) => majorUnits(minor, currency))

/** Exact product of a unit amount and a quantity. */
export const product = combiner('product', (amount: number | string, quantity: number | string) =>
  multiplyAmount(amount, quantity),
)

/** Exact difference, for minor units. */
export const minus = combiner('minus', (a: number, b: number) => decimalOf(a).minus(decimalOf(b)).toNumber())

/** A quantity as a number; Stripe's decimal quantities are strings. */
export const toNumber = converter('number', (quantity: number | string): number => decimalOf(quantity).toNumber())

/** Stripe's metadata, null when it is empty. */
export const metadataOf = converter('metadata', (metadata: Record<string, unknown>): Record<string, string> | null => {
  if (typeof metadata !== 'object' || Array.isArray(metadata)) return refuseValue()
  return textsOf(metadata)
})

/** Each contract's news and bodies read it, and it may be as long as an event. */
const textsOf = memoizeByKey((metadata: Record<string, unknown>): Record<string, string> | null => {
  const entries = Object.entries(metadata).filter(([, value]) => value !== null && value !== undefined)
  return entries.length === 0 ? null : Object.fromEntries(entries.map(([key, value]) => [key, scalarText(value)]))
})

const scalarText = (value: unknown): string => (typeof value === 'object' ? refuseValue() : String(value))

/** The ids that a list's elements hold in one field, each a string or an expanded object. */
export const idsOf = (field: string) =>
  converter(`idsOf ${field}`, (list: readonly unknown[]): string[] =>
    list.flatMap((element) => readRef((element as Json)?.[field]) ?? []),
  )

/** A UUID in lower case; any other text reads as absent. */
export const uuidText = converter('uuid', (text: string): string | null => (isUuid(text) ? text.toLowerCase() : null))
