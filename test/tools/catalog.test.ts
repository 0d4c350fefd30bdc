import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type Stripe from 'stripe'
import { describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { max, some } from '../../src/language/list-words.ts'
import { set, unset } from '../../src/language/mapping.ts'
import { conditionWords, sourceWords } from '../../src/language/wording.ts'
import {
  all,
  any,
  became,
  called,
  ceased,
  element,
  firstOf,
  given,
  kept,
  not,
  priorKnown,
  reading,
  was,
} from '../../src/language/words.ts'
import { describeMappings } from '../../src/normalize/catalog.ts'
import { catalogPage } from '../../tools/catalog-page.ts'
import { present } from '../support/present.ts'

test('docs/catalog.md is fresh: `npm run catalog` writes it', () => {
  const written = readFileSync(fileURLToPath(new URL('../../docs/catalog.md', import.meta.url)), 'utf8')
  expect(written).toBe(catalogPage())
})

test('every rule stands in the catalog with what it says, and every field with its source', () => {
  for (const [contract, list] of Object.entries(describeMappings(mappings)))
    for (const [at, words] of list.entries()) {
      const mapping = present(present(mappings[contract])[at])
      expect(words.rules.map(({ emits, ignores }) => ignores?.code ?? emits)).toEqual(
        mapping.rules.map((rule) => ('emit' in rule ? [rule.emit].flat() : rule.ignore)),
      )
      for (const { source } of words.fields) expect(source).not.toMatch(/^$|\[object|undefined/)
    }
})

test('every name that the catalog uses is told', () => {
  for (const { rules, owed, waitsFor, fields, names } of Object.values(describeMappings(mappings)).flat()) {
    const words = [
      ...[...rules, ...(owed ? [owed] : [])].flatMap(({ when, remarks }) => [when, ...remarks]),
      ...waitsFor,
      ...fields.map(({ source }) => source),
      ...names.map(({ means }) => means),
    ]
    const used = words.flatMap((text) => [...text.matchAll(/\*([^*]+)\*/g)].map(([, name]) => present(name)))
    const told = names.map(({ name }) => name)
    // Fields of other mappings, and objects that are told by their fields.
    const elsewhere = (name: string) =>
      name.includes('.') || /^(invoiceDetails|the subscription as|the first item)/.test(name)
    expect([...new Set(used)].filter((name) => !elsewhere(name) && !told.includes(name))).toEqual([])
  }
})

describe('a condition reads as a sentence', () => {
  const { from, has: is, legacy } = reading<Stripe.Subscription>()
  const paused = called('paused', any(is('status', 'paused'), is('pause_collection', set)))

  test.each([
    [is('status', 'active', 'trialing'), 'status is active or trialing'],
    [not(is('status', 'canceled')), 'status is not canceled'],
    [became(is('pause_collection', set)), 'pause_collection became set'],
    [became(is('pause_collection', unset)), 'pause_collection became unset'],
    [ceased(is('status', 'incomplete')), 'status ceased to be incomplete'],
    [not(was(is('status', 'incomplete'))), 'status was not incomplete'],
    [not(priorKnown), 'its state before is not known'],
    [became(paused), 'became paused'],
    [ceased(paused), 'no longer paused'],
    [
      all(not(paused), any(is('cancel_at', set), is('cancel_at_period_end', true))),
      'not paused and (cancel_at is set or cancel_at_period_end is true)',
    ],
    [some(from('items.data'), (item) => item.has('quantity', unset)), 'in one of items.data, quantity is unset'],
    [kept('product', from('id')).known, 'the product id is known'],
  ])('%#: %s', (when, words) => {
    expect(conditionWords(when)).toBe(words)
  })

  test('and a source as a list of where it is looked for', () => {
    const end = firstOf(
      legacy<number>('current_period_end', { until: '2025-03-31.basil' }),
      max(from('items.data'), (item) => item.from('current_period_end')),
      given(paused, from('ended_at')),
    )
    expect(sourceWords(end)).toBe(
      'current_period_end (before 2025-03-31.basil), else the latest over items.data of current_period_end, else ended_at if paused',
    )
    const amount = element<Stripe.SubscriptionItem>().from('price.unit_amount')
    expect(sourceWords(called('the amount', amount))).toBe('the amount')
    expect(sourceWords(called('the amount', amount), undefined, { expandName: true })).toBe('price.unit_amount')
  })
})
