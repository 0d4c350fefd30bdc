import type { RoutedBy } from './routing.ts'
import { nameKey } from './routing.ts'
import type { NamedObject, RoutingClues } from './routing-clues.ts'

/** An event whose client is to be found. */
export interface RoutableEvent {
  sourceId: string
  eventId: string
  clues: RoutingClues
}

/** What a name or an object is known to mean. */
export interface KnownRoute {
  /** The name; of an object the one that was told of it. */
  name: string
  /** null: the name means no client. */
  targetId: string | null
  /** Of an object: Stripe's id of the event that told it. */
  toldBy?: string | null
}

/** What is known, by `routeKey`. */
export type KnownRoutes = Map<string, KnownRoute>

/** `how` a client is told: by an account, a name in metadata, or an object. */
export const routeKey = (sourceId: string, how: RoutedBy['by'], key: string): string => `${sourceId} ${how} ${key}`

export type RouteDecision =
  | { state: 'routed'; targetId: string; routedBy: RoutedBy; learns: NamedObject[] }
  | { state: 'shared' }
  /** `code` and `message` say why it is not routed; `waitsFor`: keys of what would tell. */
  | { state: 'waiting' | 'unrouted'; code: UnroutedCode; message: string; waitsFor: string[] }

export type UnroutedCode = 'route_unknown' | 'route_conflict' | 'route_missing'

/** Whose an event is by what is known. Never a guess: all that tells of it has to tell the same. */
export function decideRoute({ sourceId, clues }: RoutableEvent, known: KnownRoutes): RouteDecision {
  if (clues.isShared) return { state: 'shared' }
  if (clues.dead !== undefined) return { state: 'unrouted', code: 'route_missing', message: clues.dead, waitsFor: [] }
  const answers = answersOf(sourceId, clues, known)
  const waitsFor = [...new Set([...answers.map(({ name }) => nameKey(name)), ...clues.objects.map(({ key }) => key)])]
  const unknown = answers.find(({ targetId }) => targetId === null)
  const first = answers.find(({ targetId }) => targetId !== null)
  const other = answers.find(({ targetId }) => targetId !== null && targetId !== first?.targetId)
  if (first && other)
    return {
      ...{ state: 'unrouted', code: 'route_conflict', waitsFor },
      message: `Two answers differ: ${describeAnswer(first)}, ${describeAnswer(other)}.`,
    }
  if (unknown)
    return {
      ...{ state: 'waiting', code: 'route_unknown', waitsFor },
      message: `No client is named so: ${describeName(unknown)}.`,
    }
  if (!first?.targetId)
    return {
      ...{ state: 'waiting', code: 'route_missing', waitsFor },
      message: `Nothing has told whose it is: ${listObjects(clues.objects)}.`,
    }
  const { by, name, of, targetId } = first
  const isNew = ({ key }: NamedObject) => !known.has(routeKey(sourceId, 'object', key))
  return { state: 'routed', targetId, routedBy: { by, name, of }, learns: clues.objects.filter(isNew) }
}

/** One thing that tells of an event's client; `targetId` null: what it says is no client's name. */
export type RouteAnswer = RoutedBy & { targetId: string | null; toldBy: string | null }

/** All that tells of an event's client, by what is known. */
export function answersOf(sourceId: string, { names, objects }: RoutingClues, known: KnownRoutes): RouteAnswer[] {
  return [
    ...names.map(
      (one): RouteAnswer => ({
        ...one,
        toldBy: null,
        targetId: known.get(routeKey(sourceId, one.by, one.name))?.targetId ?? null,
      }),
    ),
    ...objects.flatMap(({ kind, id, key }): RouteAnswer[] => {
      const told = known.get(routeKey(sourceId, 'object', key))
      if (!told) return []
      const { name, targetId, toldBy = null } = told
      return [{ by: 'object', name, of: `${kind} ${id}`, targetId, toldBy }]
    }),
  ]
}

const describeName = ({ by, name, of }: RoutedBy) =>
  by === 'account' ? `account ${name}` : by === 'metadata' ? `"${name}" in the metadata of ${of}` : `"${name}" of ${of}`

const SHOWN_OBJECTS = 10

const listObjects = (objects: readonly NamedObject[]): string =>
  [
    ...objects.slice(0, SHOWN_OBJECTS).map(({ kind, id }) => `${kind} ${id}`),
    ...(objects.length > SHOWN_OBJECTS ? [`and ${objects.length - SHOWN_OBJECTS} more`] : []),
  ].join(', ')

const describeAnswer = (answer: RouteAnswer) => `${describeName(answer)} is client ${answer.targetId}`

/**
 * Decides for the events of a batch, each with what those that are decided tell of their objects, whatever their order. `known` moves on.
 * Answers in the order of the events.
 */
export function decideRoutes(events: readonly RoutableEvent[], known: KnownRoutes): RouteDecision[] {
  const decisions: (RouteDecision | undefined)[] = events.map(() => undefined)
  for (let hasLearnt = true; hasLearnt; ) {
    hasLearnt = false
    for (const [at, event] of events.entries()) {
      const before = decisions[at]
      if (before && before.state !== 'waiting') continue
      const decision = decideRoute(event, known)
      decisions[at] = decision
      if (decision.state !== 'routed') continue
      const { name } = decision.routedBy
      for (const { key } of decision.learns)
        known.set(routeKey(event.sourceId, 'object', key), {
          ...{ name, targetId: decision.targetId, toldBy: event.eventId },
        })
      hasLearnt ||= decision.learns.length > 0
    }
  }
  return decisions.map((decision) => decision ?? { state: 'shared' })
}
