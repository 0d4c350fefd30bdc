import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { cases } from '../support/fixtures.ts'
import { GARBAGE, placesIn, replaceAt } from '../support/garbage.ts'
import { story } from '../support/story.ts'

// Whatever an event holds, it ends in one state, and its neighbours go on.

/** How many kinds of garbage each place of each fixture gets; the next place gets the next ones. */
const KINDS_PER_PLACE = Number(process.env.FLO_GARBAGE ?? 1)
/** What an event that cannot be mapped says: which field it is. */
const NAMES_THE_FIELD = ['unreadable_value', 'unmapped_value']

/** Each place of an event with the garbage that it gets. */
const malformedOf = (event: Json) =>
  placesIn(event.data).flatMap((place, at) =>
    Array.from({ length: KINDS_PER_PLACE }, (_, nth) => {
      const [kind, garbage] = GARBAGE[(at * 7 + nth) % GARBAGE.length] ?? ['', null]
      return { name: `${place.join('.')}: ${kind}`, event: replaceAt(event, ['data', ...place], garbage) }
    }),
  )

describe('garbage in any place of any event', () => {
  test.each(cases)('%s', (_, events) => {
    const wrong = malformedOf(events.at(-1)).flatMap(({ name, event }) => {
      const last = story([...events.slice(0, -1), event]).outcomes.at(-1)?.outcome
      const isRight = last && (last.state !== 'failed' || NAMES_THE_FIELD.includes(last.code ?? ''))
      return isRight ? [] : [`${name}: ${last?.code} ${last?.message}`]
    })
    expect(wrong).toEqual([])
  })
})
