import { isUuid } from '../domain/ids.ts'
import { majorUnits, multiplyAmount } from '../domain/money.ts'
import { combiner, converter } from './words.ts'

/** Unix seconds to ISO 8601 in UTC with milliseconds; what is no moment reads as absent. */
export const isoTime = converter('isoTime', (seconds: number): string | null => {
  const time = new Date(seconds * 1000)
  return typeof seconds === 'number' && !Number.isNaN(time.getTime()) ? time.toISOString() : null
})

/** An id however Stripe wrote it: a string or an expanded object. */
export const idOf = converter('idOf', (ref: string | { id?: string | null }): string | null =>
  typeof ref === 'string' ? ref : (ref.id ?? null),
)

/** A currency as ISO 4217 writes it. */
export const upperCase = converter('upperCase', (text: string) => text.toUpperCase())

/** Minor units and their currency to a number of major units, exact. */
export const major = combiner('major', (minor: number | string, currency: string) => majorUnits(minor, currency))

/** Exact product of a unit amount and a quantity. */
export const product = combiner('product', (amount: number | string, quantity: number | string) =>
  multiplyAmount(amount, quantity),
)

/** Exact difference, for minor units. */
export const minus = combiner('minus', (a: number, b: number) => a - b)

/** A quantity as a number; Stripe's decimal quantities are strings. */
export const toNumber = converter('number', (quantity: number | string): number | null => {
  const number = Number(quantity)
  return Number.isFinite(number) ? number : null
})

/** Stripe's metadata, null when it is empty. */
export const metadataOf = converter('metadata', (metadata: Record<string, unknown>): Record<string, string> | null => {
  const entries = Object.entries(metadata).filter(([, value]) => value !== null && value !== undefined)
  return entries.length === 0 ? null : Object.fromEntries(entries.map(([key, value]) => [key, String(value)]))
})

/** The ids that a list's elements hold in one field, each a string or an expanded object. */
export const idsOf = (field: string) =>
  converter(`idsOf ${field}`, (list: readonly unknown[]): string[] =>
    list.flatMap((element) => {
      const ref = (element as Record<string, string | { id: string } | null> | null)?.[field]
      return typeof ref === 'string' ? [ref] : ref ? [ref.id] : []
    }),
  )

/** A UUID in lower case; any other text reads as absent. */
export const uuidText = converter('uuid', (text: string): string | null => (isUuid(text) ? text.toLowerCase() : null))
