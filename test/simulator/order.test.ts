import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scenarios } from '../../simulator/scenarios.ts'
import { RENDERED, simulate } from '../../simulator/simulate.ts'
import { VERSIONS } from '../../simulator/versions.ts'
import { present } from '../support/present.ts'
import { DEPENDING, expectTheSameUpdates, firmFacts } from '../support/same-story.ts'
import { type Story, story } from '../support/story.ts'
import { WALK_TIMEOUT_MS, walk } from '../support/walk.ts'

const chosen = fc.record({
  scenario: fc.constantFrom(...scenarios),
  apiVersion: fc.constantFrom(...VERSIONS),
  rendered: fc.constantFrom(...RENDERED),
  // Whether what misses a fact is held for it.
  patient: fc.boolean(),
  // Where each event lands among the others, and its duplicate; a place beyond all others is a drop that is backfilled.
  landings: fc.array(fc.tuple(fc.oneof(fc.nat(99), fc.constant(100)), fc.option(fc.nat(100))), {
    minLength: 150,
    maxLength: 150,
  }),
})

/** The newest state of Stripe's objects, without what we derive (links, tallies); a plan and its price share one id. */
const snapshots = ({ world }: Story) =>
  Object.fromEntries(
    [...world.objects.values()]
      .filter(({ objectId }) => !/^(link|tally|price_)/.test(objectId))
      .map(({ objectId, snapshot }) => [objectId, snapshot.object]),
  )

test(
  'every scenario in every shape ends in the same state and tells the same, in whatever order and however often',
  () => {
    fc.assert(
      fc.property(chosen, ({ scenario, apiVersion, rendered, patient, landings }) => {
        const events = simulate(scenario, { apiVersion, rendered })
        const arriving = events
          .flatMap((event, at) =>
            present(landings[at])
              .filter((place) => place !== null)
              .map((place) => ({ event, place })),
          )
          .sort((a, b) => a.place - b.place)
          .map(({ event }) => event)
        const inOrder = story(events, { patient })
        const told = story(arriving, { patient })
        const excepted = DEPENDING.filter(
          (one) => one.scenario.test(scenario.name) && one.versions.test(apiVersion) && one.patient.test(`${patient}`),
        )
        const facts = firmFacts(told, inOrder)
        const firm = (some: string[]) => some.filter((fact) => !excepted.some((one) => one.fact.test(fact)))
        const seen = [scenario.name, apiVersion, rendered, ...arriving.map(({ type, id }) => `${type} ${id}`)].join(
          '\n',
        )
        expect(snapshots(told), seen).toEqual(snapshots(inOrder))
        expect(firm(facts.told), seen).toEqual(firm(facts.inOrder))
        expectTheSameUpdates(told, inOrder, seen)
      }),
      { ...walk(300), endOnFailure: true },
    )
  },
  WALK_TIMEOUT_MS,
)
