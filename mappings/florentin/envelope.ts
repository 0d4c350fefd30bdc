import { emitted, event } from '../../src/language/words.ts'

/** What every body of the contract begins with. */
export const envelope = { event: emitted, timestamp: event('at') }
