import type { Need, Without } from '../need.ts'
import type { Due } from '../source-event.ts'
import { type Fetched, keyOf, type World } from '../world/world.ts'

/** What an event lacks: what it waits for, until when, and what it has to do without, and why. */
export interface Lack {
  waiting: { need: Need; until: Date }[]
  without: Without[]
}

/** How long events are held for what is fetched; undefined: nothing is asked for, and nothing waited for. */
interface Patience {
  now: Date
  hydrateSeconds?: number | undefined
}

/** What an event is held for, until `need` is fetched. */
export const hydrationFact = (need: Need): string => `hydration:${need.key}`

/** What is known of a need of the event's source. */
export const fetchedFor = (world: World, due: Due, need: Need | null): Fetched | undefined =>
  need ? world.hydrations.get(keyOf(due.sourceId, need.key)) : undefined

/**
 * Sorts needs by whether they are worth waiting for, and asks for those that nobody has asked for. One deadline per need,
 * started by the first event that has it. A source without an API key lacks nothing: its events are read as they come.
 */
export function lackOf(world: World, due: Due, needs: readonly Need[], { now, hydrateSeconds }: Patience): Lack {
  const lack: Lack = { waiting: [], without: [] }
  const source = world.sources.get(due.sourceId)
  if (!source?.hydrates || hydrateSeconds === undefined) return lack
  for (const need of needs) {
    // Not looked up: to ask for it would be to ask again and again.
    if (!world.loaded.needs.has(need.key)) continue
    const known = fetchedFor(world, due, need)
    // What was fetched long ago serves until it is there anew.
    const has = known !== undefined && known.result !== null
    const worthAsking = !known || (known.askAgainAt !== null && known.askAgainAt <= now)
    if (worthAsking && (has || !source.shut || need.essential))
      know(world, due, need, { ...known, waitUntil: new Date(now.getTime() + (has ? 0 : hydrateSeconds * 1000)) })
    if (has) continue
    const fetched = fetchedFor(world, due, need)
    if (fetched) world.dirty.asks.set(keyOf(due.sourceId, need.key), { need, due, waitUntil: fetched.waitUntil })
    if (fetched?.state === 'pending' && fetched.waitUntil > now) lack.waiting.push({ need, until: fetched.waitUntil })
    else lack.without.push({ need, reason: fetched?.message ?? source.shut ?? 'Stripe has not answered in time.' })
  }
  return lack
}

function know(world: World, due: Due, need: Need, { result = null, fetchedAt = null, waitUntil }: Asked) {
  const key = keyOf(due.sourceId, need.key)
  world.dirty.asks.set(key, { need, due, waitUntil })
  world.hydrations.set(key, {
    state: 'pending',
    waitUntil,
    askAgainAt: null,
    fetchedAt,
    result,
    code: null,
    message: null,
  })
}
type Asked = Partial<Fetched> & { waitUntil: Date }
