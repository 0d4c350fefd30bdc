import { emptyMemory } from './memory.ts'
import type { Due } from './source-events.ts'
import type { Facts, Input } from './value.ts'
import { noFacts } from './wants.ts'

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
