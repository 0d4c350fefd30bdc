import type { Queryable } from '../../database/db.ts'
import { findKnownRoutes } from '../../database/routing-tables.ts'
import { OPERATOR_CLIENT } from '../../domain/ids.ts'
import type { Json } from '../../domain/json.ts'
import { idInRealm } from '../../domain/realm.ts'
import { answersOf, decideRoute, type KnownRoutes, type RouteDecision } from '../../domain/route-decision.ts'
import type { RoutedBy, Routing, RoutingState } from '../../domain/routing.ts'
import { type RoutingClues, readRoutingClues } from '../../domain/routing-clues.ts'
import type { ExplainedRouting, ExplainedSourceEvent, RoutingAnswer } from './explanation.ts'

/** Answers and objects that an explanation shows of each kind: an invoice may name thousands. */
const MAX_SHOWN = 20

/** An event as far as it says whose it is. */
interface RoutableBody {
  sourceId: string
  account: string
  livemode: boolean
  /** null: its bytes are gone. */
  body: Json | null
}

/**
 * By what a source event was routed, or of one that is nobody's, what was looked at; null: its source routes nothing. What is known of
 * others is looked at for the operator's own client alone.
 */
export async function explainRouting(
  db: Queryable,
  clientId: string,
  { sourceId, eventId, state }: Pick<ExplainedSourceEvent, 'sourceId' | 'eventId' | 'state'>,
  due: RoutableBody,
): Promise<ExplainedRouting | null> {
  const { rows } = await db.query<{ state: RoutingState; routedBy: RoutedBy | null }>(
    `select state, routed_by as "routedBy" from routings
      where client_id = $1 and event_id = $2 and source_id = $3 and account = $4 and livemode = $5`,
    [OPERATOR_CLIENT, eventId, sourceId, due.account, due.livemode],
  )
  const [row] = rows
  if (!row) return null
  if (row.routedBy !== null)
    return { ...NOTHING_LOOKED_AT, state: 'routed', routedBy: await explainRoutedBy(db, clientId, due, row.routedBy) }
  if (clientId !== OPERATOR_CLIENT || (state !== 'held' && state !== 'unrouted'))
    return { ...NOTHING_LOOKED_AT, state: row.state }
  const looked = await lookAtClues(db, due)
  return { ...NOTHING_LOOKED_AT, ...looked?.shown, state: state === 'held' ? 'waiting' : 'unrouted' }
}

/** Whose an event of a routed source would be if it came now; `clientId` null: nobody's. null: the source routes nothing. */
export async function tryRouting(
  db: Queryable,
  due: RoutableBody,
): Promise<{ routing: ExplainedRouting; clientId: string | null; decision: RouteDecision } | null> {
  const looked = await lookAtClues(db, due)
  if (!looked) return null
  const { clues, known, shown } = looked
  const decision = decideRoute({ sourceId: due.sourceId, eventId: '', clues }, known)
  if (decision.state !== 'routed')
    return {
      decision,
      clientId: decision.state === 'shared' ? OPERATOR_CLIENT : null,
      routing: { ...NOTHING_LOOKED_AT, ...shown, state: decision.state },
    }
  const routedBy = await explainRoutedBy(db, OPERATOR_CLIENT, due, decision.routedBy)
  return { decision, clientId: decision.targetId, routing: { ...NOTHING_LOOKED_AT, state: 'routed', routedBy } }
}

const NOTHING_LOOKED_AT = { routedBy: null, answers: [], unknown: [] } as const

/** A client sees by which event it was told where that is its own: the name may have meant another client then. */
async function explainRoutedBy(db: Queryable, clientId: string, due: RoutableBody, { by, name, of }: RoutedBy) {
  const shown = { by, value: name, of, toldBy: null as string | null }
  if (by !== 'object') return shown
  const { rows } = await db.query<{ toldBy: string | null }>(
    'select told_by as "toldBy" from routed_objects where client_id = $1 and source_id = $2 and object_id = $3',
    [OPERATOR_CLIENT, due.sourceId, idInRealm(due, of.slice(of.indexOf(' ') + 1))],
  )
  const toldBy = rows[0]?.toldBy ?? null
  if (toldBy === null || toldBy === 'stripe' || clientId === OPERATOR_CLIENT) return { ...shown, toldBy }
  const { rowCount } = await db.query(
    'select 1 from source_events where client_id = $1 and event_id = $2 and source_id = $3 limit 1',
    [clientId, toldBy, due.sourceId],
  )
  return { ...shown, toldBy: rowCount === 0 ? null : toldBy }
}

interface LookedAt {
  clues: RoutingClues
  known: KnownRoutes
  shown: Pick<ExplainedRouting, 'answers' | 'unknown' | 'leftOut'>
}

/** What an event says of whose it is, and what is known of that today; null: its source routes nothing. */
async function lookAtClues(db: Queryable, due: RoutableBody): Promise<LookedAt | null> {
  const { sourceId } = due
  const { rows } = await db.query<{ routing: Routing | null }>('select routing from sources where id = $1', [sourceId])
  const routing = rows[0]?.routing
  if (!routing) return null
  const clues: RoutingClues = due.body
    ? readRoutingClues(due.body, routing, due)
    : { isShared: false, names: [], objects: [], dead: 'Its raw body is gone.' }
  const known = await findKnownRoutes(db, [{ clientId: OPERATOR_CLIENT, sourceId, clues }])
  const answers = answersOf(sourceId, clues, known)
  const told = new Set(answers.map(({ of }) => of))
  const unknown = clues.objects
    .map(({ kind, id }) => ({ kind, id }))
    .filter(({ kind, id }) => !told.has(`${kind} ${id}`))
  const leftOut = Math.max(0, answers.length - MAX_SHOWN) + Math.max(0, unknown.length - MAX_SHOWN)
  return {
    clues,
    known,
    shown: {
      answers: answers
        .slice(0, MAX_SHOWN)
        .map(
          ({ by, name, of, toldBy, targetId }): RoutingAnswer => ({ by, value: name, of, toldBy, clientId: targetId }),
        ),
      unknown: unknown.slice(0, MAX_SHOWN),
      ...(leftOut > 0 && { leftOut }),
    },
  }
}
