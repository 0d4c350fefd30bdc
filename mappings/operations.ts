import { operations } from '../src/contracts/operations.ts'
import { offering } from './offer.ts'

/** What the gateway tells of itself. It hears nothing of any source: src/operations makes its events. */
export default offering(operations, [])
