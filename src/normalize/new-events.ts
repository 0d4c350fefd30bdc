import { newId } from '../domain/ids.ts'
import { realmName } from '../domain/realm.ts'
import { validateBody } from '../language/contract-body.ts'
import { storedKey } from '../language/drafts.ts'
import type { Verdict } from '../language/evaluate.ts'
import type { Strides } from '../language/strides.ts'
import type { MappingVerdict } from './judge.ts'
import type { SourceEvent } from './source-event.ts'
import type { World } from './world/world.ts'

/** An event of ours, ready to be stored: `body` is the contract's body without the delivery's own id. */
export interface NewEvent {
  clientId: string
  id: string
  sourceEventId: string
  contract: string
  type: string
  userId: string | null
  key: string
  /** The key that it had before accounts and modes were told apart, where the source is older than that; else null. */
  keyBefore: string | null
  /** The name of the account and mode that it is about (src/domain/realm.ts). */
  realm: string
  position: number
  occurredAt: Date
  body: string
}

/** A verdict by which a mapping makes events. */
export interface EmittingVerdict extends MappingVerdict {
  verdict: Extract<Verdict, { kind: 'emit' }>
}

export const emittingOf = (verdicts: readonly MappingVerdict[]): EmittingVerdict[] =>
  verdicts.flatMap(({ contract, mapping, verdict }) => {
    switch (verdict.kind) {
      case 'emit':
        return [{ contract, mapping, verdict }]
      case 'ignore':
        return []
      default:
        return verdict satisfies never
    }
  })

/** A body is checked and written in a tenth of a millisecond, as long as it tells of one line. */
const EVENTS_PER_STRIDE = 8

/** The events that verdicts make of a source event, in their order. Throws MappingError for a body that is not the contract's. */
export function* newEventsOf(
  { clientId, sources }: Pick<World, 'clientId' | 'sources'>,
  event: SourceEvent,
  verdicts: readonly EmittingVerdict[],
): Strides<NewEvent[]> {
  const realm = realmName(event)
  const owner = `${event.sourceId}${realm}`
  const isOlder = sources.get(event.sourceId)?.idsByRealm === false
  const events: NewEvent[] = []
  for (const { contract, mapping, verdict } of verdicts)
    for (const draft of verdict.drafts) {
      if (events.length % EVENTS_PER_STRIDE === EVENTS_PER_STRIDE - 1) yield
      events.push({
        clientId,
        id: newId(),
        sourceEventId: event.id,
        contract,
        type: draft.type,
        userId: draft.userId,
        key: storedKey(draft, clientId, owner),
        keyBefore:
          isOlder && draft.keyOwner === 'source' && realm !== '' ? storedKey(draft, clientId, event.sourceId) : null,
        realm,
        position: events.length,
        occurredAt: event.createdAt,
        body: JSON.stringify(validateBody(mapping, draft)),
      })
    }
  return events
}

/** A stored business key without whose it is: a source's, in an account and mode, or a client's. */
export const keyWithoutOwner = (key: string): string => key.slice(key.indexOf(':') + 1)
