import type { Queryable } from '../../database/db.ts'
import { differing } from '../../domain/body-differences.ts'
import { idTime } from '../../domain/ids.ts'
import type { Emission } from '../../language/evaluate.ts'
import type { Mapping } from '../../language/mapping.ts'
import type { Due } from '../source-event.ts'
import type { Normalized } from '../source-event-outcome.ts'
import type { EventExplained, FieldExplained } from './explanation.ts'
import { fieldsOf } from './fields.ts'
import type { Judgement, Stored } from './judged.ts'
import { contractOf } from './rules.ts'
import type { Frame } from './trace.ts'
import type { Ways } from './ways.ts'

/** The events of a source event: those that are stored, and those it would have today. */
export async function eventsOf(
  db: Queryable,
  clientId: string,
  { due, stored, judged, ways }: { due: Due; stored: readonly Stored[]; judged: Judgement; ways: Ways },
): Promise<EventExplained[]> {
  const { result, frames } = judged
  const shown = shownIn(frames)
  const others = result.events.filter(({ contract, key }) => !storedAs(stored, contract, key))
  const told = await toldBefore(db, clientId, due.id, others)
  const event = (one: Pick<Normalized, 'contract' | 'type' | 'key'>, today: Normalized | null): EventExplained => {
    const as = storedAs(stored, one.contract, one.key)
    const eventId = as?.id ?? null
    const before = told.get(`${one.contract} ${one.key}`) ?? null
    const { mapping, fields } = shown.get(`${one.contract} ${ownKey(one.key)}`) ?? { mapping: '', fields: [] }
    const way = { eventId, contract: one.contract, type: one.type }
    return {
      contract: one.contract,
      mapping,
      type: one.type,
      key: ownKey(one.key),
      stored: as ? { id: as.id, createdAt: idTime(as.id) } : null,
      toldBefore: before,
      fields,
      differs: as?.body && today ? differing(JSON.parse(as.body), JSON.parse(today.body)) : [],
      deliveries: eventId === null ? [] : ways.deliveries(eventId),
      passedOver: before ? [] : ways.passedOver(way),
      wouldGoTo: before ? [] : ways.wouldGoTo(way),
    }
  }
  const today = result.events.map((one) => event(one, one))
  const only = stored.filter(
    ({ contract, key }) => !result.events.some((one) => one.contract === contract && one.key === key),
  )
  return [...today, ...only.map((one) => event(one, null))]
}

const storedAs = (stored: readonly Stored[], contract: string, key: string) =>
  stored.find((one) => one.contract === contract && one.key === key)

/** A stored business key without the id of the source or client that it is one of. */
export const ownKey = (key: string): string => key.slice(UUID_LENGTH + 1)
const UUID_LENGTH = 36

/** The mapping and fields of each emission, by contract and business key. */
function shownIn(frames: readonly Frame[]) {
  const emissions = frames.flatMap(({ part, inner }) =>
    inner.flatMap((frame) =>
      frame.part.op === 'emission' && part.op === 'mapping' ? [{ mapping: part.mapping, frame }] : [],
    ),
  )
  return new Map<string, { mapping: string; fields: FieldExplained[] }>(
    emissions.flatMap(({ mapping, frame }: { mapping: Mapping; frame: Frame }) =>
      frame.result
        ? [
            [
              `${contractOf(mapping)} ${(frame.result as Emission).key}`,
              { mapping: mapping.name, fields: fieldsOf(frame) },
            ] as const,
          ]
        : [],
    ),
  )
}

/** Events whose fact another source event has told, by contract and key. */
async function toldBefore(db: Queryable, clientId: string, sourceEventId: string, events: readonly Normalized[]) {
  const told = new Map<string, NonNullable<EventExplained['toldBefore']>>()
  if (events.length === 0) return told
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
      told.set(`${row.contract} ${row.key}`, {
        sourceEventId: row.source_event_id,
        eventId: row.event_id,
        type: row.type,
      })
  return told
}
