import { setImmediate } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { ContractMappings } from '../../../mappings/offer.ts'
import type { Queryable } from '../../database/db.ts'
import { differingFields } from '../../domain/body-differences.ts'
import { idTime } from '../../domain/ids.ts'
import type { EventDraft } from '../../language/drafts.ts'
import type { Strides } from '../../language/strides.ts'
import { keyWithoutOwner, type NewEvent } from '../new-events.ts'
import { createStrideRunner } from '../pauses.ts'
import type { SourceEvent } from '../source-event.ts'
import { observationOf } from '../source-events.ts'
import { type EventRouting, loadRouting } from './event-routing.ts'
import type { ExplainedEvent, ExplainedField } from './explanation.ts'
import { explainFields } from './fields.ts'
import type { RecordedEvent, TracedJudgement } from './judge-today.ts'
import { createPageFiller, type ExplanationPage, type ExplanationPlace } from './page.ts'
import { placeInLists, placeOfObject, type ReadPlace } from './read-place.ts'
import { contractOfMapping } from './rules.ts'
import type { TraceFrame } from './trace.ts'

/** An event of a source event, before it is explained field by field. */
export interface EventOutline {
  contract: string
  type: string
  /** As it is shown: without whose it is. */
  key: string
  stored: RecordedEvent | null
  toldBefore: ExplainedEvent['toldBefore']
  /** The mappings say it today. */
  isSaidToday: boolean
  /** Where its body differs from the one that is stored. */
  differs: ExplainedEvent['differs']
}

interface OutlineDeps {
  db: Queryable
}

interface JudgedEvents {
  due: SourceEvent
  stored: readonly RecordedEvent[]
  judged: TracedJudgement
}

/** Events that are compared before others have their turn. */
const EVENTS_AT_A_STRETCH = 10

/** All events of a source event: those that it has today, and those that are stored and that it has not any more. */
export async function outlineEvents(
  { db }: OutlineDeps,
  clientId: string,
  { due, stored, judged: { result } }: JudgedEvents,
): Promise<EventOutline[]> {
  const recordedByKey = new Map(stored.map((one) => [outlineKey(one), one]))
  const others = result.events.filter((one) => !recordedByKey.has(outlineKey(one)))
  const earlierByKey = await loadToldBefore(db, clientId, due.id, others)
  const outlines: EventOutline[] = []
  const saidToday = new Set<string>()
  for (const [at, today] of result.events.entries()) {
    if (at % EVENTS_AT_A_STRETCH === 0) await setImmediate()
    // Of several with one key, the first is sent.
    if (saidToday.has(outlineKey(today))) continue
    saidToday.add(outlineKey(today))
    const recorded = recordedByKey.get(outlineKey(today)) ?? null
    outlines.push({
      contract: today.contract,
      type: today.type,
      key: keyWithoutOwner(today.key),
      stored: recorded,
      toldBefore: earlierByKey.get(`${today.contract} ${today.key}`) ?? null,
      isSaidToday: true,
      differs: recorded?.body ? differingFields(JSON.parse(recorded.body), JSON.parse(today.body)) : [],
    })
  }
  const recordedOnly = stored.filter((one) => !saidToday.has(outlineKey(one)))
  const notSaid = { toldBefore: null, isSaidToday: false, differs: [] }
  return [
    ...outlines,
    ...recordedOnly.map((one) => ({
      contract: one.contract,
      type: one.type,
      key: keyWithoutOwner(one.key),
      stored: one,
      ...notSaid,
    })),
  ]
}

const outlineKey = ({ contract, key }: Pick<NewEvent, 'contract' | 'key'>) => `${contract} ${keyWithoutOwner(key)}`

/** The events that a page shows, with their fields and their ways; `next` is where the following page begins, null: nowhere. */
export async function explainEvents(
  deps: { db: Queryable; mappings: ContractMappings; now: () => Date },
  clientId: string,
  { due, judged, outlines }: Pick<JudgedEvents, 'due' | 'judged'> & { outlines: readonly EventOutline[] },
  page: ExplanationPage | null,
): Promise<{ events: ExplainedEvent[]; next: ExplanationPlace | null }> {
  const drafts = collectDrafts(deps.mappings, judged, due)
  const { event: asked } = page ?? {}
  const wanted = outlines.filter(({ stored, key }) => asked === undefined || stored?.id === asked || key === asked)
  const shown = page ? wanted.slice(page.from.event, page.from.event + page.limit) : wanted
  const ways = await loadRouting(
    deps,
    clientId,
    shown.flatMap(({ stored }) => (stored ? [stored.id] : [])),
  )
  const filler = page && createPageFiller(page)
  const runStrides = createStrideRunner()
  const events: ExplainedEvent[] = []
  for (const [at, outline] of shown.entries()) {
    if (page && filler?.isFull()) return { events: filler.events, next: { event: page.from.event + at, field: 0 } }
    const draft = drafts.get(`${outline.contract} ${outline.key}`)
    const explained = await runStrides(explainOutline(outline, draft, ways))
    if (!page || !filler) events.push(explained)
    else {
      const field = filler.takeUp(explained, at === 0 ? page.from.field : 0)
      if (field !== null) return { events: filler.events, next: { event: page.from.event + at, field } }
    }
  }
  if (!page || !filler) return { events, next: null }
  const end = page.from.event + shown.length
  return { events: filler.events, next: end < wanted.length ? { event: end, field: 0 } : null }
}

function* explainOutline(
  outline: EventOutline,
  draft: TracedDraft | undefined,
  ways: EventRouting,
): Strides<ExplainedEvent> {
  const { contract, type, key, stored, toldBefore, differs } = outline
  const routed = { eventId: stored?.id ?? null, contract, type }
  return {
    contract,
    mapping: draft?.mapping ?? '',
    type,
    key,
    stored: stored && { id: stored.id, createdAt: idTime(stored.id) },
    toldBefore,
    fields: draft ? yield* draft.explain() : [],
    differs,
    deliveries: stored ? ways.deliveriesOf(stored.id) : [],
    passedOver: toldBefore ? [] : ways.endpointsPassedOver(routed),
    wouldGoTo: toldBefore ? [] : ways.futureEndpointsOf(routed),
  }
}

interface TracedDraft {
  mapping: string
  explain: () => Strides<ExplainedField[]>
}

/** The mapping of each emitted event, by contract and business key, and what explains its fields. */
function collectDrafts(mappings: ContractMappings, { frames, completed }: TracedJudgement, due: SourceEvent) {
  const drafts = new Map<string, TracedDraft>()
  for (const judgement of frames) {
    if (judgement.part.op !== 'mapping') continue
    const { mapping } = judgement.part
    const contract = contractOfMapping(mappings, mapping)
    const emissions = judgement.inner.filter(({ part, result }) => part.op === 'emission' && result)
    if (emissions.length === 0) continue
    const place = placeOfEmission(judgement, { completed, due })
    for (const frame of emissions) {
      const name = `${contract} ${(frame.result as EventDraft).key}`
      // Of several with one key, the first is sent.
      if (!drafts.has(name)) drafts.set(name, { mapping: mapping.name, explain: () => explainFields(frame, place) })
    }
  }
  return drafts
}

/** Where the paths of an emission stand: in the object that was judged, and in the lists that its rule has taken elements of. */
function placeOfEmission(
  { inner, scope }: TraceFrame,
  { completed, due }: { completed: SourceEvent; due: SourceEvent },
): ReadPlace {
  const { object, kind } = observationOf(completed)
  const name = { kind, id: idText(scope.object?.id) }
  const { id } = scope.event
  const isOwnEvent = id === null || id === completed.eventId
  return placeInLists(
    inner.filter(({ result }) => Array.isArray(result)),
    placeOfObject({
      object: isDeepStrictEqual(scope.object, object) ? null : name,
      event: isOwnEvent ? null : { kind: 'event', id },
      sent: completed === due ? null : { object: due.body?.data?.object, name },
      created: isOwnEvent ? completed.body?.created : null,
    }),
  )
}

const idText = (id: unknown) => (typeof id === 'string' ? id : null)

/** The earlier source events that reported the fact of an event, by contract and key. */
async function loadToldBefore(db: Queryable, clientId: string, sourceEventId: string, events: readonly NewEvent[]) {
  const earlierByKey = new Map<string, NonNullable<ExplainedEvent['toldBefore']>>()
  if (events.length === 0) return earlierByKey
  const { rows } = await db.query(
    `select m.contract, m.key, e.source_event_id, s.event_id, s.type
       from emissions m
       left join events e on e.client_id = $1 and e.id = m.event_id
       left join source_events s on s.client_id = $1 and s.id = e.source_event_id
      where m.client_id = $1 and m.contract = any($2) and m.key = any($3)`,
    [clientId, [...new Set(events.map(({ contract }) => contract))], events.map(({ key }) => key)],
  )
  for (const row of rows)
    if (row.source_event_id !== sourceEventId)
      earlierByKey.set(`${row.contract} ${row.key}`, {
        sourceEventId: row.source_event_id,
        eventId: row.event_id,
        type: row.type,
      })
  return earlierByKey
}
