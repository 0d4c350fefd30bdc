import { mappings } from '../../../mappings/index.ts'
import type { Queryable } from '../../database/db.ts'
import type { Tally } from '../../language/refund-tally.ts'
import { filled } from '../missing/completion.ts'
import type { Due } from '../source-event.ts'
import { normalize, type Result, wantsOf } from '../source-event-outcome.ts'
import { sightOf } from '../source-events.ts'
import { load } from '../world/load.ts'
import { noWants } from '../world/lookups.ts'
import { rewind } from '../world/rewind.ts'
import { emptyWorld, keyOf, type World } from '../world/world.ts'
import { type Frame, tracer } from './trace.ts'

/** A source event judged today, with everything that was read on the way. Nothing of it is stored. */
export interface Judgement {
  /** The event with what was fetched for it. */
  whole: Due
  result: Result
  frames: Frame[]
  world: World
}

/** An event that is stored as told from the source event which is judged. */
export interface Stored {
  id: string
  contract: string
  type: string
  key: string
  /** null: past its retention. */
  body: string | null
}

/**
 * Judges a source event as if it came now, in the world as it is known; of one that is `stored` with what was told of it,
 * what its own object owes to it and to later ones is taken out first. With `holdSeconds` 0 it does not wait for what it misses.
 */
export async function judgedToday(
  { db, now, holdSeconds = 0 }: { db: Queryable; now: Date; holdSeconds?: number },
  clientId: string,
  due: Due,
  stored: readonly Stored[] | null,
): Promise<Judgement> {
  const world = emptyWorld(clientId)
  const wants = noWants()
  if (due.body)
    do wantsOf(world, due, wants)
    while (await load(db, world, wants))
  const whole = (due.body && filled(world, due)) || due
  if (stored) {
    const ownKey = keyOf(due.sourceId, sightOf(whole).objectId ?? '')
    const known = [...world.objects.values()]
    await rewind(db, clientId, known, due.id, { only: (one) => keyOf(one.sourceId, one.objectId) === ownKey })
    forget(world, whole, stored)
  }
  const { listen, frames } = tracer()
  const result = normalize(world, due, { now, holdSeconds }, listen)
  return { whole, result, frames, world }
}

/** What the event itself has left behind beside its sight: the news it told, and the refund it counted. */
function forget(world: World, due: Due, stored: readonly Stored[]) {
  const told = rulesOf(stored)
  const { object, objectId } = sightOf(due)
  const own = world.objects.get(keyOf(due.sourceId, objectId ?? ''))
  if (own) for (const { name } of told) delete own.memory.said[name]
  if (!told.some(({ counts }) => counts)) return
  for (const { kind, snapshot } of world.objects.values())
    if (kind === 'tally') {
      const { entries } = snapshot.object as Tally
      snapshot.object = {
        entries: entries.filter(({ id, upTo }) => id !== objectId && upTo !== object.amount_refunded),
      }
    }
}

/** The mappings whose rules can have told these events, and whether they count money. */
const rulesOf = (stored: readonly Stored[]) =>
  Object.entries(mappings).flatMap(([contract, list]) =>
    list.flatMap(({ name, rules }) =>
      rules.flatMap((rule) =>
        'emit' in rule && stored.some((one) => one.contract === contract && [rule.emit].flat().includes(one.type))
          ? [{ name, counts: rule.once !== undefined }]
          : [],
      ),
    ),
  )
