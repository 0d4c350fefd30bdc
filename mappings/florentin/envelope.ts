import { emitted, event } from '../../src/normalize/words.ts'

/** What every body of the contract begins with. */
export const envelope = { event: emitted, timestamp: event('at') }
