import { expect, test } from 'vitest'
import { expected } from '../src/simulator/scenario.ts'
import { scenarios } from '../src/simulator/scenarios.ts'
import { simulate } from '../src/simulator/simulate.ts'
import { dateOf, VERSIONS } from '../src/simulator/versions.ts'
import { heard, story } from './support/story.ts'

// Where the mappings differ from what happened, and why. Whoever changes that takes the row away.
const DIFFERING: { scenario: RegExp; versions: RegExp; because: string }[] = [
  {
    scenario: /^metered$/,
    versions: /^201/,
    because: 'without a billing reason a cycle shows in a later period of its lines; a metered line bills the past one',
  },
  {
    scenario: /^schedule-changes-plan$/,
    versions: /^201/,
    because: '`start` was when the present plan began, so the first period of a scheduled plan does not begin after it',
  },
  {
    scenario: /^metadata-change$/,
    versions: /^2014/,
    because: 'until 2015 previous_attributes held nested objects whole: what is not in them was not there before',
  },
]

const every = scenarios.flatMap((scenario) => VERSIONS.map((apiVersion) => ({ scenario, apiVersion })))

test.for(every)(
  '$scenario.name in $apiVersion leads to the Flo events that it names',
  ({ scenario, apiVersion }, { skip }) => {
    const known = DIFFERING.find((one) => one.scenario.test(scenario.name) && one.versions.test(apiVersion))
    if (known) skip(known.because)
    const told = story(simulate(scenario, { apiVersion }))
    expect(told.outcomes.filter(({ outcome }) => outcome.state === 'failed')).toEqual([])
    expect(heard(told).map(({ type }) => type)).toEqual(expected(scenario, dateOf(apiVersion)))
  },
)
