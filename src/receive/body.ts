import type { IncomingMessage } from 'node:http'
import { Refusal } from '../errors.ts'
import type { ByteBudget, HeldBytes } from '../network/byte-budget.ts'
import { PIECE_BYTES } from '../network/tiny-pieces.ts'

/** Stripe's largest events are far below this. */
const MAX_BODY_BYTES = 1024 * 1024

/** Bodies in memory whose signature is not proven yet, and those that wait to be stored. */
export const BODIES_MAX_BYTES = 64 * MAX_BODY_BYTES

interface Reading {
  limit?: number
  budget: ByteBudget
  /** In whose share of the budget the bytes are counted. */
  share: string
}

/**
 * Reads a request body exactly as it arrived, whatever its content type: the signature is over these bytes. Throws
 * `too_large` as soon as more than `limit` bytes are announced or received; the rest is read and discarded, so that the
 * sender can read the answer. Throws `body_incomplete` when the connection ends before the body does, and `overloaded` when
 * it is the oldest of too many bytes. What it returns counts in the budget until `held` is released.
 */
export function readRawBody(
  req: IncomingMessage,
  { limit = MAX_BODY_BYTES, budget, share }: Reading,
): Promise<{ bytes: Buffer; held: HeldBytes }> {
  return new Promise((resolve, rejectWith) => {
    let chunks: Buffer[] = []
    let length = 0
    const discardRest = () => {
      chunks = []
      req.removeAllListeners('data')
      req.resume()
    }
    const held = budget.hold(share, () => {
      discardRest()
      rejectWith(new Refusal('overloaded', { retryAfterSeconds: 5 }))
    })
    const reject = (refusal: Refusal) => {
      held.release()
      rejectWith(refusal)
    }
    const rejectTooLarge = () => {
      discardRest()
      reject(new Refusal('too_large', { message: `The request body is larger than ${limit} bytes.` }))
    }
    if (req.destroyed) return reject(new Refusal('body_incomplete'))
    if (Number(req.headers['content-length']) > limit) return rejectTooLarge()
    req.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > limit) return rejectTooLarge()
      chunks.push(chunk)
      held.add(chunk.length + PIECE_BYTES)
    })
    req.on('end', () => {
      const [first] = chunks
      // One chunk is passed on without a copy.
      resolve({ bytes: first && chunks.length === 1 ? first : Buffer.concat(chunks), held })
    })
    req.on('error', () => reject(new Refusal('body_incomplete')))
  })
}
