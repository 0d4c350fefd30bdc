import type { ContractMappings } from '../../../mappings/offer.ts'
import type { RefundTally } from '../../language/refund-tally.ts'
import { collectLookups } from '../collect-lookups.ts'
import { completionOf } from '../missing/completion.ts'
import { type NormalizeResult, normalizeSourceEvent } from '../normalize-event.ts'
import { createStrideRunner } from '../pauses.ts'
import type { SourceEvent } from '../source-event.ts'
import { observationOf } from '../source-events.ts'
import { loadLookups } from '../world/load.ts'
import type { LoadDeps } from '../world/load-keys.ts'
import { noLookups } from '../world/lookups.ts'
import { priorStateOf } from '../world/previous-attributes.ts'
import { rewindObjects } from '../world/rewind.ts'
import type { Observation } from '../world/snapshots.ts'
import { emptyWorld, type KnownObject, keyIn, objectKeyOf, type World } from '../world/world.ts'
import { createTracer, type TraceFrame } from './trace.ts'

/** A source event judged as of today, with everything that was read on the way. Nothing is stored. */
export interface TracedJudgement {
  /** The event with what was fetched for it. */
  completed: SourceEvent
  result: NormalizeResult
  frames: TraceFrame[]
  world: World
}

/** A stored event of the source event that is judged. */
export interface RecordedEvent {
  id: string
  contract: string
  type: string
  key: string
  /** null: past its retention. */
  body: string | null
}

/**
 * Judges a source event as if it came now, in the world as it is known today. Where events of it are `stored`, what its object
 * has learnt from it and from later source events is removed first. With `holdSeconds` 0 it does not wait for missing facts.
 */
export async function judgeToday(
  deps: LoadDeps & { mappings: ContractMappings; now: Date; holdSeconds?: number },
  clientId: string,
  due: SourceEvent,
  stored: readonly RecordedEvent[] | null,
): Promise<TracedJudgement> {
  const { mappings, now, holdSeconds = 0 } = deps
  const world = emptyWorld(clientId)
  const lookups = noLookups()
  const runStrides = createStrideRunner()
  if (due.body)
    do await runStrides(collectLookups({ world, mappings }, due, lookups))
    while (await loadLookups(deps, world, lookups))
  const completed = (due.body && completionOf({ world, mappings }, due).complete) || due
  if (stored) {
    const objectKey = keyIn(due, observationOf(completed).objectId ?? '')
    const known = [...world.objects.values()]
    const basesBefore = new Map(known.map((one) => [one, one.snapshot.base]))
    await rewindObjects(deps, clientId, known, {
      before: due.id,
      canForget: (one) => objectKeyOf(one) === objectKey,
    })
    for (const [one, base] of basesBefore) restoreBase(one, base)
    forgetOwnEffects(world, completed, emittingRules(mappings, stored))
  }
  const { trace, frames } = createTracer()
  const context = { world, mappings, limits: { now, holdSeconds }, trace }
  const result = await runStrides(normalizeSourceEvent(context, due))
  return { completed, result, frames, world }
}

/**
 * A late event that became what the newest state started from has taken the place of the state before it, which is kept nowhere.
 * Its own `previous_attributes` tell that state.
 */
function restoreBase(known: KnownObject, baseBefore: readonly Observation[]): void {
  const { tied, base } = known.snapshot
  if (tied.length === 0 || base.length > 0) return
  const earlier = baseBefore.flatMap(({ object, previous, ...observation }) =>
    previous ? [{ ...observation, eventId: '', object: priorStateOf(object, previous), previous: null }] : [],
  )
  // Of several the first in time would have to be found out: without one the state before stays unknown.
  if (earlier.length === 1) known.snapshot = { ...known.snapshot, base: earlier }
}

/** Removes what the event itself has left behind beside its observation: the news it emitted, and the refund it counted. */
function forgetOwnEffects(world: World, due: SourceEvent, rules: ReturnType<typeof emittingRules>) {
  const { object, objectId, previous } = observationOf(due)
  const known = world.objects.get(keyIn(due, objectId ?? ''))
  if (known) for (const { name } of rules) delete known.memory.said[name]
  if (!rules.some(({ counts }) => counts)) return
  // Of a charge that was captured in part, what was released is not counted.
  const released = typeof object.amount_captured === 'number' ? object.amount - object.amount_captured : 0
  const sums = [object.amount_refunded, object.amount_refunded - released]
  // Of several refunds that a charge lists, the event told the one that raised the sum from what it was before.
  const before = previous?.amount_refunded ?? 0
  const isRise = (upTo: number | null) =>
    upTo !== null && (sums.includes(upTo) || (upTo > before && upTo < object.amount_refunded))
  for (const { kind, snapshot } of world.objects.values())
    if (kind === 'tally') {
      const { entries } = snapshot.object as RefundTally
      snapshot.object = {
        entries: entries.filter(({ id, upTo }) => id !== objectId && !isRise(upTo)),
      }
    }
}

/** The mappings whose rules can have emitted these events, and whether they count money. */
const emittingRules = (mappings: ContractMappings, stored: readonly RecordedEvent[]) =>
  Object.entries(mappings).flatMap(([contract, list]) =>
    list.flatMap(({ name, rules }) =>
      rules.flatMap((rule) =>
        'emit' in rule && stored.some((one) => one.contract === contract && [rule.emit].flat().includes(one.type))
          ? [{ name, counts: rule.once !== undefined }]
          : [],
      ),
    ),
  )
