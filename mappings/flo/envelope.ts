import { always, emitted } from '../../src/language/words.ts'

/** What every body of the contract begins with; the family is the part of the event type before the dot. */
export const envelope = <const Family extends string>(family: Family) => ({
  eventVersion: always('v1'),
  objectType: always(family),
  eventType: emitted,
})
