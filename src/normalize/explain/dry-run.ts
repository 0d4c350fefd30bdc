import type { ContractMappings } from '../../../mappings/offer.ts'
import { originOf } from '../../domain/event-origin.ts'
import { newId, OPERATOR_CLIENT } from '../../domain/ids.ts'
import type { RouteDecision } from '../../domain/route-decision.ts'
import { isIdText } from '../../language/unreadable.ts'
import type { SourceEvent, SourceEventOutcome } from '../source-event.ts'
import { readBody } from '../source-event.ts'
import type { LoadDeps } from '../world/load-keys.ts'
import { buildExplanation, type ExplainedPage, explainUnrouted, routableOf } from './explain.ts'
import type { ExplainedSourceEvent } from './explanation.ts'
import { judgeToday } from './judge-today.ts'
import type { ExplanationPage } from './page.ts'
import { tryRouting } from './routing.ts'

/** A Stripe event as it would be sent, of which only a type is asked for. */
export type DryRunEvent = { id?: unknown; type: string; created?: unknown; [field: string]: unknown }

/** What a Stripe event would become if a source sent it now: explained like one that is stored, and nothing is stored. */
export async function dryRun(
  deps: LoadDeps & { mappings: ContractMappings; now: () => Date; holdSeconds: number },
  askedClient: string,
  { sourceId, event }: { sourceId: string; event: DryRunEvent },
  page: ExplanationPage | null = null,
): Promise<ExplainedPage> {
  const { db, now, holdSeconds } = deps
  const at = now()
  const due = sourceEventFrom(event, sourceId, at)
  // Asked for nobody in particular, a source that routes its events tells whose it would be.
  const tried = askedClient === OPERATOR_CLIENT ? await tryRouting(db, routableOf(due)) : null
  const clientId = tried?.clientId ?? askedClient
  if (tried && tried.clientId === null)
    return explainUnrouted({ row: unroutedFrom(due, tried.decision), routing: tried.routing })
  const { result } = await judgeToday({ ...deps, now: at, holdSeconds }, clientId, due, null)
  const { outcome } = result
  // What waits is shown as it would be sent at the deadline.
  const judged = await judgeToday({ ...deps, now: at, holdSeconds: 0 }, clientId, due, null)
  const explained = await buildExplanation(deps, clientId, {
    row: explainedFrom(clientId, due, outcome),
    routing: tried?.routing ?? null,
    due,
    heldFor: outcome.heldFor ?? [],
    stored: [],
    judged,
    page,
  })
  const { rows } = await db.query(
    `select id from source_events
      where client_id = $1 and source_id = $2 and event_id = $3 and account = $4 and livemode = $5 limit 1`,
    [clientId, sourceId, due.eventId, due.account, due.livemode],
  )
  const received = rows.map(
    ({ id }) => `It was received already, as the source event ${id}: sent once more it is a duplicate.`,
  )
  const { explanation } = explained
  return { ...explained, explanation: { ...explanation, hints: [...explanation.hints, ...received] } }
}

function sourceEventFrom(event: DryRunEvent, sourceId: string, now: Date): SourceEvent {
  const { id, type, created } = event
  const at = new Date(
    typeof created === 'number' ? Math.round(created * 1000) : typeof created === 'string' ? created : Number.NaN,
  )
  return {
    id: newId(),
    sourceId,
    eventId: isIdText(id) && id !== '' ? id : 'evt_dry_run',
    type,
    account: typeof event.account === 'string' ? event.account : '',
    livemode: event.livemode === true,
    apiVersion: typeof event.api_version === 'string' ? event.api_version : null,
    createdAt: Number.isNaN(at.getTime()) ? now : at,
    receivedAt: now,
    ...readBody(event),
  }
}

type Outcome = Pick<SourceEventOutcome, 'code' | 'message' | 'heldUntil'> & Pick<ExplainedSourceEvent, 'state'>

const explainedFrom = (
  clientId: string,
  due: SourceEvent,
  { state, code, message, heldUntil }: Outcome,
): ExplainedSourceEvent => ({
  id: null,
  sourceId: due.sourceId,
  eventId: due.eventId,
  type: due.type,
  apiVersion: due.apiVersion ?? null,
  account: due.account || null,
  livemode: due.livemode === true,
  createdAt: due.createdAt,
  receivedAt: due.receivedAt,
  origin: originOf({ clientId, ...due }),
  state,
  reason: code === null ? null : { code, message },
  heldUntil,
})

/** One that nobody's client is known of: it would wait, and be unrouted when nobody tells. */
const unroutedFrom = (due: SourceEvent, decision: RouteDecision): ExplainedSourceEvent =>
  explainedFrom(OPERATOR_CLIENT, due, {
    heldUntil: null,
    state: 'unrouted',
    code: 'code' in decision ? decision.code : null,
    message: 'message' in decision ? decision.message : null,
  })
