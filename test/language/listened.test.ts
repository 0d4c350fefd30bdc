import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scenarios } from '../../simulator/scenarios.ts'
import { simulate } from '../../simulator/simulate.ts'
import { VERSIONS } from '../../simulator/versions.ts'
import type { Json } from '../../src/domain/json.ts'
import type { Trace } from '../../src/language/scope.ts'
import { cases } from '../support/fixtures.ts'
import { GARBAGE, placesIn, replaceAt } from '../support/garbage.ts'
import { present } from '../support/present.ts'
import { type Story, story } from '../support/story.ts'
import { WALK_TIMEOUT_MS, walk } from '../support/walk.ts'

// An explanation listens to an evaluation, for which every part is read anew and through the trace; else what was read is kept. Both
// have to come to the same, or an explanation tells of another evaluation than the one that made the events.

/** All that a story led to: what was said, what could not be read and where, what is known afterwards. */
const allOf = ({ outcomes, world }: Story) => ({
  outcomes: outcomes.map(({ outcome, events, judged }) => ({
    outcome,
    events: events.map(({ id: _, ...event }) => event),
    verdicts: judged.map(({ contract, mapping, verdict }) => ({
      by: `${contract} ${mapping.name}`,
      verdict: verdict.kind === 'emit' ? { ...verdict, drafts: verdict.drafts.map(plainDraft) } : verdict,
    })),
  })),
  objects: [...world.objects].map(([key, { snapshot, memory }]) => ({ key, snapshot, memory })),
  users: [...world.users.byCustomer],
  arrived: [...world.arrivedFacts],
})

const plainDraft = ({ sourceOf: _, unreadable, ...draft }: Json) => ({
  ...draft,
  unreadable: unreadable.map(({ message, place, at }: Json) => ({ message, place, at })),
})

/** Listens, and notes nothing. */
const unheard: Trace = { hearRead: (_part, scope, read) => read(scope), hearStrides: (_part, _scope, work) => work }

function expectTheSame(events: readonly Json[], name: string, { patient = false } = {}) {
  const listened = story(events, { patient, trace: unheard })
  expect(allOf(story(events, { patient })), name).toEqual(allOf(listened))
}

test.each(cases)('%s: in order, and the other way round', (name, events) => {
  expectTheSame(events, name)
  expectTheSame(events.toReversed(), name, { patient: true })
})

test('every scenario, in the first and the last shape', () => {
  for (const scenario of scenarios)
    for (const apiVersion of [VERSIONS[0], VERSIONS.at(-1)])
      expectTheSame(simulate(scenario, { apiVersion: present(apiVersion) }), `${scenario.name} ${apiVersion}`)
})

test(
  'whatever stands in one place of an event',
  () => {
    const places = cases.flatMap(([name, events]) =>
      events.flatMap((event, at) => placesIn(event.data, ['data']).map((place) => ({ name, events, at, place }))),
    )
    const chosen = fc.tuple(fc.nat(places.length - 1), fc.constantFrom(...GARBAGE))
    fc.assert(
      fc.property(chosen, ([which, [kind, garbage]]) => {
        const { name, events, at, place } = present(places[which])
        const broken = events.map((event, one) => (one === at ? replaceAt(event, place, garbage) : event))
        expectTheSame(broken, `${kind} at ${place.join('.')} of ${name}`)
      }),
      walk(1_500),
    )
  },
  WALK_TIMEOUT_MS,
)

const corpus = process.env.FLO_CORPUS ?? ''
test.skipIf(corpus === '')('every recorded event, one after another and alone (set FLO_CORPUS to its folder)', () => {
  const recorded = readFileSync(join(corpus, 'stripe-events.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line, at) => ({ ...JSON.parse(line).event, id: `evt_${at}` }))
  expectTheSame(recorded, 'all of them')
  for (const event of recorded) expectTheSame([event], event.id)
})
