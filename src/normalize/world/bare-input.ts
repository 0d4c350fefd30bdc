import { emptyMemory } from '../../language/memory.ts'
import { createScope, type EvaluationScope, type Facts } from '../../language/scope.ts'
import type { SourceEvent } from '../source-event.ts'
import { noFacts } from './lookups.ts'

/** An event with an object by itself, placed among nothing: for what is read of it beside the mappings. */
export const bareInput = (
  { eventId, type, createdAt }: Pick<SourceEvent, 'eventId' | 'type' | 'createdAt'>,
  object: unknown,
  facts: Facts = noFacts,
): EvaluationScope =>
  createScope({
    event: { id: eventId, type, created: Math.floor(createdAt.getTime() / 1000), at: createdAt.toISOString() },
    object,
    prior: null,
    stored: null,
    isLate: false,
    memory: emptyMemory(),
    facts,
  })
