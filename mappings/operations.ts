import { operations } from '../src/contracts/operations.ts'
import { offering } from './offer.ts'

/** What the gateway reports about itself. No mapping reads a source event for it: src/operations makes its events. */
export default offering(operations, [])
