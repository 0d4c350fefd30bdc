import { type Normalized, normalize, wantsOf } from '../../src/normalize/normalize.ts'
import type { Due, Outcome } from '../../src/normalize/source-events.ts'
import { emptyWorld, type World } from '../../src/normalize/world.ts'

/** What a run of raw Stripe events led to, without a database: the same pure code that the gateway runs in its transaction. */
export interface Story {
  world: World
  events: Normalized[]
  outcomes: { eventId: string; type: string; outcome: Outcome; events: Normalized[] }[]
}

export const CLIENT = '11111111-1111-4111-8111-111111111111'
export const SOURCE = '22222222-2222-4222-8222-222222222222'

/** Normalises raw events one after another in the order given; duplicates by id are passed over as the receiver does. */
export function story(raws: readonly any[], { holdSeconds = 0 } = {}): Story {
  const world = emptyWorld(CLIENT)
  const seen = new Set<string>()
  const said = new Set<string>()
  const told: Story = { world, events: [], outcomes: [] }
  for (const [at, raw] of raws.entries()) {
    if (seen.has(raw.id)) continue
    seen.add(raw.id)
    const due: Due = {
      id: `0190a000-0000-7000-8000-${String(at).padStart(12, '0')}`,
      sourceId: SOURCE,
      eventId: raw.id,
      type: raw.type,
      createdAt: new Date((raw.created ?? 0) * 1000),
      receivedAt: new Date(),
      body: raw,
    }
    wantsOf(world, due, { objects: new Set(), customers: new Set(), told: new Set() })
    const { outcome, events } = normalize(world, due, { now: new Date(), holdSeconds })
    const fresh = events.filter(({ key, contract }) => {
      const first = !said.has(`${contract} ${key}`)
      said.add(`${contract} ${key}`)
      return first
    })
    told.outcomes.push({ eventId: raw.id, type: raw.type, outcome, events: fresh })
    told.events.push(...fresh)
  }
  return told
}
