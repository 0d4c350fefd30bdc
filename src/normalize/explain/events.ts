import { isDeepStrictEqual } from 'node:util'
import type { ContractMappings } from '../../../mappings/offer.ts'
import type { Queryable } from '../../database/db.ts'
import { differingFields } from '../../domain/body-differences.ts'
import { idTime } from '../../domain/ids.ts'
import type { EventDraft } from '../../language/evaluate.ts'
import type { Mapping } from '../../language/mapping.ts'
import { keyWithoutOwner, type NewEvent } from '../new-events.ts'
import type { SourceEvent } from '../source-event.ts'
import { observationOf } from '../source-events.ts'
import type { EventRouting } from './event-routing.ts'
import type { ExplainedEvent, ExplainedField } from './explanation.ts'
import { explainFields } from './fields.ts'
import type { RecordedEvent, TracedJudgement } from './judge-today.ts'
import { contractOfMapping } from './rules.ts'
import type { TraceFrame } from './trace.ts'
import { placeInLists, placeOfObject, type ReadPlace } from './value-source.ts'

/** The events of a source event: those that are stored, and those it would have today. */
export async function explainEvents(
  { db, mappings }: { db: Queryable; mappings: ContractMappings },
  clientId: string,
  {
    due,
    stored,
    judged,
    ways,
  }: { due: SourceEvent; stored: readonly RecordedEvent[]; judged: TracedJudgement; ways: EventRouting },
): Promise<ExplainedEvent[]> {
  const { result } = judged
  const draftsByKey = collectDrafts(mappings, judged, due)
  const others = result.events.filter(({ contract, key }) => !findRecorded(stored, contract, key))
  const earlierByKey = await loadToldBefore(db, clientId, due.id, others)
  const explainEvent = (one: Pick<NewEvent, 'contract' | 'type' | 'key'>, today: NewEvent | null): ExplainedEvent => {
    const recorded = findRecorded(stored, one.contract, one.key)
    const eventId = recorded?.id ?? null
    const earlier = earlierByKey.get(`${one.contract} ${one.key}`) ?? null
    const { mapping, fields } = draftsByKey.get(`${one.contract} ${keyWithoutOwner(one.key)}`) ?? {
      mapping: '',
      fields: [],
    }
    const routed = { eventId, contract: one.contract, type: one.type }
    return {
      contract: one.contract,
      mapping,
      type: one.type,
      key: keyWithoutOwner(one.key),
      stored: recorded ? { id: recorded.id, createdAt: idTime(recorded.id) } : null,
      toldBefore: earlier,
      fields,
      differs: recorded?.body && today ? differingFields(JSON.parse(recorded.body), JSON.parse(today.body)) : [],
      deliveries: eventId === null ? [] : ways.deliveriesOf(eventId),
      passedOver: earlier ? [] : ways.endpointsPassedOver(routed),
      wouldGoTo: earlier ? [] : ways.futureEndpointsOf(routed),
    }
  }
  const today = result.events.map((one) => explainEvent(one, one))
  const recordedOnly = stored.filter(
    ({ contract, key }) =>
      !result.events.some((one) => one.contract === contract && keyWithoutOwner(one.key) === keyWithoutOwner(key)),
  )
  return [...today, ...recordedOnly.map((one) => explainEvent(one, null))]
}

const findRecorded = (stored: readonly RecordedEvent[], contract: string, key: string) =>
  stored.find((one) => one.contract === contract && keyWithoutOwner(one.key) === keyWithoutOwner(key))

/** The mapping and fields of each emitted event, by contract and business key. */
function collectDrafts(mappings: ContractMappings, { frames, completed }: TracedJudgement, due: SourceEvent) {
  const emissions = frames.flatMap((judgement) =>
    judgement.inner.flatMap((frame) =>
      frame.part.op === 'emission' && judgement.part.op === 'mapping'
        ? [{ mapping: judgement.part.mapping, frame, place: placeOfEmission(judgement, { completed, due }) }]
        : [],
    ),
  )
  return new Map<string, { mapping: string; fields: ExplainedField[] }>(
    emissions.flatMap(({ mapping, frame, place }: { mapping: Mapping; frame: TraceFrame; place: ReadPlace }) =>
      frame.result
        ? [
            [
              `${contractOfMapping(mappings, mapping)} ${(frame.result as EventDraft).key}`,
              { mapping: mapping.name, fields: explainFields(frame, place) },
            ] as const,
          ]
        : [],
    ),
  )
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
