import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scenarios } from '../../simulator/scenarios.ts'
import { RENDERED, simulate } from '../../simulator/simulate.ts'
import { VERSIONS } from '../../simulator/versions.ts'
import { present } from '../support/present.ts'
import { expectTheSameUpdates, firmFacts } from '../support/same-story.ts'
import { type Story, story } from '../support/story.ts'
import { WALK_TIMEOUT_MS, walk } from '../support/walk.ts'

// What is told depends on the order of arrival here, and why. Whoever changes that takes the row away.
const DEPENDING: { scenario: RegExp; versions: RegExp; patient: RegExp; fact: RegExp; because: string }[] = [
  {
    scenario: /refund/,
    versions: /./,
    patient: /false/,
    fact: / item\.refunded/,
    because: 'of a refund that is seen before its purchase, credit note or failure nobody knows that; a gateway waits',
  },
  {
    scenario: /^dunning-to-canceled$/,
    versions: /^20(1|20|22)/,
    patient: /./,
    fact: / subscription\.cancelled:/,
    because: 'without cancellation_details only an earlier state tells that an end was not asked for',
  },
  {
    scenario: /^customer-deleted$/,
    versions: /./,
    patient: /./,
    fact: / subscription\.cancelled:/,
    because:
      'an end that came with the end of the customer is told from one that was asked for by what is known of them',
  },
  {
    scenario: /^trial-ends-early$/,
    versions: /./,
    patient: /false/,
    fact: / subscription\.renewed:/,
    because: 'that a trial was ended early only the subscription says; a gateway waits for it',
  },
]

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
