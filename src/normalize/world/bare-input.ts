import { emptyMemory } from '../../language/memory.ts'
import type { Facts, Input } from '../../language/read.ts'
import type { Due } from '../source-event.ts'
import { noFacts } from './lookups.ts'

/** An event with an object by itself, placed among nothing: for what is read of it beside the mappings. */
export const alone = (
  { eventId, type, createdAt }: Pick<Due, 'eventId' | 'type' | 'createdAt'>,
  object: unknown,
  facts: Facts = noFacts,
): Input => ({
  event: { id: eventId, type, created: Math.floor(createdAt.getTime() / 1000), at: createdAt.toISOString() },
  object,
  prior: null,
  stored: null,
  late: false,
  memory: emptyMemory(),
  facts,
})
