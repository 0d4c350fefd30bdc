import type { IncomingMessage } from 'node:http'
import { Refusal } from '../errors.ts'

/** Stripe's largest events are far below this. */
const MAX_BODY_BYTES = 1024 * 1024

/**
 * Reads a request body exactly as it arrived, whatever its content type: the signature is over these bytes. Throws
 * `too_large` as soon as more than `limit` bytes are announced or received; the rest is read and discarded, so that the
 * sender can read the answer. Throws `body_incomplete` when the connection ends before the body does.
 */
export function readRawBody(req: IncomingMessage, limit = MAX_BODY_BYTES): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const rejectTooLarge = () => {
      req.removeAllListeners('data')
      req.resume()
      reject(new Refusal('too_large', { message: `The request body is larger than ${limit} bytes.` }))
    }
    if (req.destroyed) return reject(new Refusal('body_incomplete'))
    if (Number(req.headers['content-length']) > limit) return rejectTooLarge()
    req.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > limit) return rejectTooLarge()
      chunks.push(chunk)
    })
    req.on('end', () => {
      const [first] = chunks
      // One chunk is passed on without a copy.
      resolve(first && chunks.length === 1 ? first : Buffer.concat(chunks))
    })
    req.on('error', () => reject(new Refusal('body_incomplete')))
  })
}
