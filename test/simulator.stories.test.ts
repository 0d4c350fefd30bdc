import { describe, expect, test } from 'vitest'
import { contracts } from '../mappings/index.ts'
import { CONTRACTS, expected } from '../src/simulator/scenario.ts'
import { scenarios } from '../src/simulator/scenarios.ts'
import { simulate } from '../src/simulator/simulate.ts'
import { dateOf, VERSIONS } from '../src/simulator/versions.ts'
import { folderOf } from './support/fixtures.ts'
import { ranksOf } from './support/ranks.ts'
import { heard, story, storyWorld } from './support/story.ts'

// Where the mappings differ from what happened, and why. Whoever changes that takes the row away.
const DIFFERING: { contract: string; scenario: RegExp; versions: RegExp; because: string }[] = [
  {
    contract: 'flo.v1',
    scenario: /^(metered|metered-plan-change|usage-alert)$/,
    versions: /^201/,
    because: 'without a billing reason a cycle shows in a later period of its lines; a metered line bills the past one',
  },
  {
    contract: 'flo.v1',
    scenario: /^schedule-changes-plan$/,
    versions: /^201/,
    because: '`start` was when the present plan began, so the first period of a scheduled plan does not begin after it',
  },
  {
    contract: 'flo.v1',
    scenario: /^metadata-change$/,
    versions: /^2014/,
    because: 'until 2015 previous_attributes held nested objects whole: what is not in them was not there before',
  },
]

const every = scenarios.flatMap((scenario) => VERSIONS.map((apiVersion) => ({ scenario, apiVersion })))

test('every contract has its events in the scenarios', () => {
  expect(Object.keys(contracts).map(folderOf)).toEqual(CONTRACTS)
})

describe.each(Object.keys(contracts))('%s', (contract) => {
  test.for(every)('$scenario.name in $apiVersion is heard as it happened', ({ scenario, apiVersion }, { skip }) => {
    const known = DIFFERING.find(
      (one) => one.contract === contract && one.scenario.test(scenario.name) && one.versions.test(apiVersion),
    )
    if (known) skip(known.because)
    const events = simulate(scenario, { apiVersion })
    const told = story(events, { world: storyWorld(ranksOf(scenario, events)) })
    expect(told.outcomes.filter(({ outcome }) => outcome.state === 'failed')).toEqual([])
    const wanted = expected(scenario, dateOf(apiVersion), folderOf(contract) as (typeof CONTRACTS)[number])
    expect(heard(told, contract).map(({ type }) => type)).toEqual(wanted)
  })
})
