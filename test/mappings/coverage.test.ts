import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ignoredTypes } from '../../mappings/ignored.ts'
import { contracts, mappings } from '../../mappings/index.ts'
import { present } from '../support/present.ts'

// Read from the installed package, so that a new release of Stripe's types fails here until somebody has decided.
const source = readFileSync(
  fileURLToPath(import.meta.resolve('stripe')).replace(/stripe\.[^/]*$/, 'resources/Events.d.ts'),
  'utf8',
)
const types = [...new Set([...source.matchAll(/'([a-z_0-9]+(?:\.[a-z_0-9]+)+)'/g)].map(([, type]) => present(type)))]

test('every event type of the installed stripe package is mapped, or ignored on purpose', () => {
  expect(types.length).toBeGreaterThan(200)
  const mapped = new Set(
    Object.values(mappings).flatMap((list) => list.flatMap(({ on }) => on.types as readonly string[])),
  )
  const families = Object.keys(ignoredTypes)
  const undecided = types.filter(
    (type) => !mapped.has(type) && !families.some((family) => type === family || type.startsWith(`${family}.`)),
  )
  expect(undecided).toEqual([])
})

test('every event type of a contract is emitted by a rule', () => {
  for (const [name, list] of Object.entries(mappings)) {
    const emitted = list.flatMap((mapping) =>
      [...mapping.rules, ...(mapping.owed ? [mapping.owed] : [])].flatMap((rule) =>
        'emit' in rule ? [rule.emit].flat() : [],
      ),
    )
    expect([...new Set(emitted)].sort()).toEqual([...present(contracts[name]).eventTypes].sort())
  }
})
