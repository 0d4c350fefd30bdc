import type { IncomingMessage } from 'node:http'
import { Refusal } from '../errors.ts'

/** Stripe's largest events are far below this. */
export const MAX_BODY_BYTES = 1024 * 1024

/**
 * The bytes of a request body exactly as they arrived, whatever their content type: the signature is over these.
 * Throws `too_large` as soon as more than `limit` bytes are announced or seen; the rest is read and thrown away, so
 * that the sender gets to read the answer.
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
    req.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
    req.on('error', () => reject(new Refusal('body_incomplete')))
  })
}
