import { describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { CONTRACTS, expectedEventTypes } from '../../simulator/scenario.ts'
import { scenarios } from '../../simulator/scenarios.ts'
import { simulate } from '../../simulator/simulate.ts'
import { dateOf, VERSIONS } from '../../simulator/versions.ts'
import { folderOf } from '../support/fixtures.ts'
import { ranksOf } from '../support/ranks.ts'
import { heard, story, storyWorld } from '../support/story.ts'

const every = scenarios.flatMap((scenario) => VERSIONS.map((apiVersion) => ({ scenario, apiVersion })))

test('every contract that hears of source events has its events in the scenarios', () => {
  expect(Object.keys(mappings).map(folderOf)).toEqual(CONTRACTS)
})

describe.each(Object.keys(mappings))('%s', (contract) => {
  test.for(every)('$scenario.name in $apiVersion is heard as it happened', ({ scenario, apiVersion }) => {
    const events = simulate(scenario, { apiVersion })
    const told = story(events, { world: storyWorld(ranksOf(scenario, events)) })
    expect(told.outcomes.filter(({ outcome }) => outcome.state === 'failed')).toEqual([])
    const wanted = expectedEventTypes(scenario, dateOf(apiVersion), folderOf(contract) as (typeof CONTRACTS)[number])
    expect(heard(told, contract).map(({ type }) => type)).toEqual(wanted)
  })
})
