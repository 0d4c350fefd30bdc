import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { eventsOf, type Life, lives } from '../support/life.ts'
import { expectTheSameUpdates, firmFacts } from '../support/same-story.ts'
import { type Story, story } from '../support/story.ts'
import { WALK_TIMEOUT_MS, walk } from '../support/walk.ts'

/** The newest state of every object of Stripe's: without what we derive. */
const snapshots = ({ world }: Story) =>
  Object.fromEntries(
    [...world.objects.values()]
      .filter(({ kind }) => kind !== 'link' && kind !== 'tally')
      .map(({ objectId, snapshot }) => [objectId, snapshot.object]),
  )

/** Holds what some events lead to in some order of arrival against what they lead to in the order of life. */
function expectTheSame(events: readonly Json[], arriving: readonly Json[]) {
  const seen = arriving.map(({ id, type, created }) => `${created} ${type} ${id}`).join('\n')
  const [inOrder, asArrived] = [story(events), story(arriving)]
  const lastInLife = Object.fromEntries(events.map(({ data }) => [data.object.id, data.object]))
  expect(snapshots(asArrived), `the newest states, after\n${seen}`).toEqual(lastInLife)
  expect(snapshots(inOrder), 'the newest states in order').toEqual(lastInLife)
  const facts = firmFacts(asArrived, inOrder)
  expect(facts.told, `the facts, after\n${seen}`).toEqual(facts.inOrder)
  expectTheSameUpdates(asArrived, inOrder, seen)
}

/** Where each event of a life lands among the others, and where its duplicate does, if it has one. */
const landings = fc.array(fc.tuple(fc.nat(99), fc.option(fc.nat(99))), { minLength: 80, maxLength: 80 })

describe('in whatever order events arrive, and however often', () => {
  test('the same states are reached and the same facts sent, and no update is invented or the last one lost', {
    timeout: WALK_TIMEOUT_MS,
  }, () => {
    fc.assert(
      fc.property(lives, landings, (life, landings) => {
        const events = eventsOf(life)
        const arriving = events
          .flatMap((event, at) => (landings[at] ?? []).flatMap((place) => (place === null ? [] : [{ event, place }])))
          .sort((a, b) => a.place - b.place)
          .map(({ event }) => event)
        expectTheSame(events, arriving)
      }),
      walk(600),
    )
  })
})

/** A life in short: acts of one second, and after a number those that come so many seconds later. */
const lifeOf = (begin: string, ...acts: (string | number)[]): Life => ({
  begin,
  acts: acts.flatMap((act, at) =>
    typeof act === 'number' ? [] : [{ act, after: typeof acts[at - 1] === 'number' ? (acts[at - 1] as number) : 0 }],
  ),
})

describe('walks that once went wrong', () => {
  test.each<[string, Life, order: number[]]>([
    [
      'the last update of a second is sent though another seemed to be later, and what follows it shows nothing new',
      lifeOf('trialing', 'cancel at period end', 'quantity', 'quantity', 'coupon'),
      [0, 1, 3, 4, 2],
    ],
    [
      'so it is when some more of its second is on its way',
      lifeOf('incomplete', 'pay', 'quantity', 'cancel at period end', 'quantity', 'quantity', 'quantity', 'coupon'),
      [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13, 11, 8],
    ],
    [
      'a state that comes back within its second does not hide the last update',
      lifeOf('active', 'fail to renew', 'recover', 'fail to renew', 'quantity', 'quantity'),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18, 16, 17],
    ],
    [
      'two pauses a moment apart are told apart by what they show',
      lifeOf('active', 'cancel at period end', 'pause', 1, 'resume', 1, 'reactivate', 'cancel at period end', 'pause'),
      [0, 1, 2, 4, 5, 6, 7, 9, 3, 8],
    ],
    [
      'an end is judged again whenever another state turns out to have been before it',
      lifeOf(
        'incomplete',
        'pay',
        'pause collection',
        'quantity',
        'cancel at period end',
        'quantity',
        'quantity',
        1,
        'reactivate',
        'quantity',
        'cancel now',
      ),
      [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 15, 12, 13, 14, 8],
    ],
  ])('%s', (_, life, order) => {
    const events = eventsOf(life)
    expect(
      [...order].sort((a, b) => a - b),
      'the order names every event',
    ).toEqual(events.map((_, at) => at))
    expectTheSame(
      events,
      order.map((at) => events[at]),
    )
  })
})
