import type { ContractMappings } from '../../../mappings/offer.ts'
import type { Queryable } from '../../database/db.ts'
import { findErasure, isOfDeletedUser, keptConditionOf } from '../../database/deletions.ts'
import { readHorizons } from '../../database/retention-horizons.ts'
import { originOf } from '../../domain/event-origin.ts'
import { idFloor, idTime } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import { mappingsReading } from '../contract-mappings.ts'
import { keyWithoutOwner } from '../new-events.ts'
import type { SourceEvent } from '../source-event.ts'
import { observationOf, sourceEventOf } from '../source-events.ts'
import type { LoadDeps } from '../world/load-keys.ts'
import { boundExplanation } from './bounded.ts'
import { truncateDepth } from './depth.ts'
import { countDeliveryStates } from './event-routing.ts'
import { explainEvents, outlineEvents } from './events.ts'
import type {
  ExplainedMapping,
  ExplainedObject,
  ExplainedRouting,
  ExplainedSourceEvent,
  Explanation,
} from './explanation.ts'
import { factWords, hintsFor, waitHints } from './hints.ts'
import { judgeToday, type RecordedEvent, type TracedJudgement } from './judge-today.ts'
import { lookupsIn } from './lookups.ts'
import type { ExplanationPage, ExplanationPlace } from './page.ts'
import { explainRouting } from './routing.ts'
import { explainMappings } from './rules.ts'
import { differenceOf, routingSummary, summaryOf } from './summary.ts'

/** An event was made after its source event came in, by the clock of another machine perhaps: older days need no look. */
const CLOCKS_DIFFER_MS = 86_400_000

/** An explanation with what is beyond it. */
export interface ExplainedPage {
  explanation: Explanation
  /** Where the next page begins; null: nothing follows. */
  next: ExplanationPlace | null
  /** Of the whole explanation. */
  eventCount: number
}

interface ExplainDeps extends LoadDeps {
  mappings: ContractMappings
  now: () => Date
}

/**
 * Why a source event became what it became, and where that went: every rule that was tried, every field with what it was read
 * from, every delivery, every endpoint that was passed over. Judged in the world as it is known today; `differs` says when
 * that does not come to what was stored. Throws `not_found`.
 */
export async function explainSourceEvent(deps: ExplainDeps, clientId: string, id: string): Promise<Explanation> {
  const { explanation } = await explainPage(deps, clientId, id, null)
  return explanation
}

/** A page of the same explanation: some of its events, and all else bounded. `page` null: the whole. Throws `not_found`. */
export async function explainPage(
  deps: ExplainDeps,
  clientId: string,
  id: string,
  page: ExplanationPage | null,
): Promise<ExplainedPage> {
  const { db, now } = deps
  const { row, due, heldFor } = await loadSourceEvent(db, clientId, id)
  const routing = await explainRouting(db, clientId, row, routableOf(due))
  if (routing?.state === 'waiting' || routing?.state === 'unrouted') return explainUnrouted({ row, routing })
  const { rows: stored } = await db.query<RecordedEvent>(
    `select t.id, t.contract, t.type, t.key, b.body from events t
       left join event_bodies b on b.client_id = $1 and b.event_id = t.id
      where t.client_id = $1 and t.source_event_id = $2 and t.id >= $3 and ${keptConditionOf('events', '$1::uuid')}
      order by t.position, t.id`,
    [clientId, id, idFloor(new Date(idTime(id).getTime() - CLOCKS_DIFFER_MS))],
  )
  const judged = await judgeToday({ ...deps, now: now() }, clientId, due, stored)
  return buildExplanation(deps, clientId, { row, routing, due, heldFor, stored, judged, page })
}

/** A source event as far as it says whose it is. */
export const routableOf = ({ sourceId, account = '', livemode = true, body }: SourceEvent) => ({
  ...{ sourceId, account, livemode, body },
})

/** Why an event is nobody's: no mapping has read it. */
export function explainUnrouted({
  row,
  routing,
}: {
  row: ExplainedSourceEvent
  routing: ExplainedRouting
}): ExplainedPage {
  const explanation: Explanation = {
    ...{ sourceEvent: row, routing, pastRetention: null, about: null, differs: null },
    ...{ mappings: [], events: [], lookups: [], waitsFor: [] },
    summary: routingSummary(row),
    hints: hintsFor(row.reason?.code),
  }
  return { explanation: truncateDepth(explanation), next: null, eventCount: 0 }
}

/** A plan without a rank can be given one, whatever else became of the event. */
const rankHints = (mapped: readonly ExplainedMapping[]) =>
  mapped.some(({ says }) => says.what === 'no_rank') ? hintsFor('no_rank') : []

/** Puts a judgement into words; `stored` is what is stored of the event. */
export async function buildExplanation(
  deps: ExplainDeps,
  clientId: string,
  {
    row,
    routing,
    due,
    heldFor,
    stored,
    judged,
    page,
  }: {
    row: ExplainedSourceEvent
    routing: ExplainedRouting | null
    due: SourceEvent
    heldFor: readonly string[]
    stored: readonly RecordedEvent[]
    judged: TracedJudgement
    page: ExplanationPage | null
  },
): Promise<ExplainedPage> {
  const { result, frames, world } = judged
  const keys = new Set(result.events.map(({ contract, key }) => `${contract} ${keyWithoutOwner(key)}`))
  const mappings = explainMappings(frames, deps.mappings, {
    readerCount: mappingsReading(deps.mappings, judged.completed.type).length,
    emittedKeys: keys,
  })
  const outlines = await outlineEvents(deps, clientId, { due, stored, judged })
  const { events, next } = await explainEvents(deps, clientId, { due, judged, outlines }, page)
  const deliveryStates = await countDeliveryStates(
    deps.db,
    clientId,
    stored.map((event) => event.id),
  )
  const whole: Explanation = {
    sourceEvent: row,
    routing,
    summary: summaryOf(row, outlines, { heldFor, deliveryStates }),
    hints: [...hintsFor(row.reason?.code), ...rankHints(mappings), ...waitHints(heldFor)],
    pastRetention: due.body === null ? await missingBodyWords(deps.db, clientId, due) : null,
    about: row.origin === 'app' ? null : explainObject(judged),
    mappings,
    events,
    lookups: lookupsIn(frames, world, due),
    waitsFor: heldFor.map((fact) => ({ fact, words: factWords(fact) })),
    differs: due.body === null ? null : differenceOf(row, result.outcome, outlines),
  }
  return {
    explanation: truncateDepth(page ? boundExplanation(whole) : whole),
    next,
    eventCount: outlines.length,
  }
}

async function missingBodyWords(db: Queryable, clientId: string, { id }: SourceEvent): Promise<string> {
  const erasure = await findErasure(db, clientId, id)
  if (erasure)
    return `Its payload was expunged on ${erasure.at.toISOString()}, as API key ${erasure.by} asked: what was read from it cannot be shown any more; what it became, can.`
  const { payload } = await readHorizons(db)
  return idTime(id) < payload
    ? `Its raw body is past its retention: payloads are kept since ${payload.toISOString()}. What was read from it, rules and fields, cannot be shown any more; what it became, can.`
    : 'Its raw body is not there, though it is within its retention: the ledger tells more (flo-gateway ledger).'
}

async function loadSourceEvent(db: Queryable, clientId: string, id: string) {
  const { rows } = await db.query(
    `select t.*, b.body from source_events t
       left join source_event_bodies b on b.client_id = $1 and b.source_event_id = $2
      where t.client_id = $1 and t.id = $2 and ${keptConditionOf('source_events', '$1::uuid')}`,
    [clientId, id],
  )
  const [row] = rows
  if (!row) throw new Refusal('not_found')
  if (row.body && (await isOfDeletedUser(db, clientId, row.body))) row.body = null
  const due: SourceEvent = sourceEventOf(row)
  const explained: ExplainedSourceEvent = {
    id: row.id,
    sourceId: row.source_id,
    eventId: row.event_id,
    type: row.type,
    apiVersion: row.api_version,
    account: row.account || null,
    livemode: row.livemode,
    createdAt: row.created_at,
    receivedAt: row.received_at,
    origin: originOf({ clientId, ...due }),
    state: row.state,
    reason: row.reason_code === null ? null : { code: row.reason_code, message: row.reason_message },
    heldUntil: row.held_until,
  }
  return { row: explained, due, heldFor: (row.held_for ?? []) as string[] }
}

function explainObject({ completed, frames }: TracedJudgement): ExplainedObject | null {
  if (!completed.body) return null
  const { kind, objectId, previous } = observationOf(completed)
  if (objectId === null) return null
  const known = frames[0] !== undefined && frames[0].scope.prior !== null
  return { kind, id: objectId, before: previous ? 'previous_attributes' : known ? 'snapshot' : 'unknown' }
}
