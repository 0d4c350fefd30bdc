import { describe, expect, test } from 'vitest'
import { contracts, mappings } from '../../mappings/index.ts'
import { cases, expectation, expected, folderOf } from '../support/fixtures.ts'
import { present } from '../support/present.ts'
import { story } from '../support/story.ts'

const stories = new Map(cases.map(([name, events]) => [name, story(events)]))

describe.each(Object.keys(mappings))('%s', (contract) => {
  const before = expected(contract)

  test.each(cases)('%s', async (name) => {
    const file = `../../fixtures/${folderOf(contract)}/${name}.json`
    await expect(expectation(present(stories.get(name)), contract)).toMatchFileSnapshot(file)
  })

  // A run without CI writes what is missing: it fails once, so that somebody reads what was written.
  test('every case has an expectation, and no expectation outlives its case', () => {
    expect(before).toEqual(cases.map(([name]) => name))
  })
})

test('every rule of every mapping is shown by a fixture', () => {
  const shown = new Set<string>()
  for (const { outcomes } of stories.values())
    for (const { judged } of outcomes)
      for (const { mapping, verdict } of judged) {
        shown.add(`${mapping.name} ${verdict.rule}`)
        if (verdict.kind === 'emit' && verdict.owed) shown.add(`${mapping.name} owed`)
      }
  const rules = Object.values(mappings)
    .flat()
    .flatMap(({ name, rules, owed }) => [
      ...rules.map((rule, at) => ({
        id: `${name} ${at}`,
        says: 'emit' in rule ? [rule.emit].flat().join() : rule.ignore,
      })),
      ...(owed ? [{ id: `${name} owed`, says: owed.emit }] : []),
    ])
  expect(rules.filter(({ id }) => !shown.has(id))).toEqual([])
})

test('every body of every fixture fits the contract', () => {
  for (const { events } of stories.values())
    for (const { contract, type, body } of events)
      expect(present(present(contracts[contract]).schemas[type]).safeParse(JSON.parse(body)).error).toBeUndefined()
})
