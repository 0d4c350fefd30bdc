import { memoizeByKey } from '../../language/memoized.ts'
import { emptyMemory } from '../../language/memory.ts'
import { createScope, type EvaluationScope, type Facts } from '../../language/scope.ts'
import type { SourceEvent } from '../source-event.ts'
import { noFacts } from './lookups.ts'

/** An event with an object by itself, placed among nothing: for what is read of it beside the mappings. */
export const bareInput = (
  event: Pick<SourceEvent, 'eventId' | 'type' | 'createdAt'>,
  object: unknown,
  facts: Facts = noFacts,
): EvaluationScope =>
  createScope({
    event: readEventOf(event),
    object,
    prior: null,
    stored: null,
    isLate: false,
    memory: emptyMemory(),
    facts,
  })

/** The event as mappings read it: several things are read of each beside the mappings. */
const readEventOf = memoizeByKey(
  ({ eventId, type, createdAt }: Pick<SourceEvent, 'eventId' | 'type' | 'createdAt'>) => ({
    id: eventId,
    type,
    created: Math.floor(createdAt.getTime() / 1000),
    at: createdAt.toISOString(),
  }),
)
