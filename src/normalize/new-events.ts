import { newId } from '../domain/ids.ts'
import { storedKey, type Verdict, validateBody } from '../language/evaluate.ts'
import type { MappingVerdict } from './judge.ts'
import type { SourceEvent } from './source-event.ts'

/** An event of ours, ready to be stored: `body` is the contract's body without the delivery's own id. */
export interface NewEvent {
  id: string
  sourceEventId: string
  contract: string
  type: string
  userId: string | null
  key: string
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

/** The events that verdicts make of a source event, in their order. Throws MappingError for a body that is not the contract's. */
export const newEventsOf = (clientId: string, event: SourceEvent, verdicts: readonly EmittingVerdict[]): NewEvent[] =>
  verdicts
    .flatMap(({ contract, mapping, verdict }) => verdict.drafts.map((draft) => ({ contract, mapping, draft })))
    .map(({ contract, mapping, draft }, position) => ({
      id: newId(),
      sourceEventId: event.id,
      contract,
      type: draft.type,
      userId: draft.userId,
      key: storedKey(draft, clientId, event.sourceId),
      position,
      occurredAt: event.createdAt,
      body: JSON.stringify(validateBody(mapping, draft.body)),
    }))
