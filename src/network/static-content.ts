import { createHash } from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

type Encoding = 'br' | 'gzip' | 'identity'

const compressWith: Readonly<Record<Exclude<Encoding, 'identity'>, (bytes: Buffer) => Promise<Buffer>>> = {
  // The best levels take seconds for a script of a megabyte, for a few percent less.
  br: (bytes) => promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } }),
  gzip: (bytes) => promisify(gzip)(bytes),
}
/** Shorter content gains nothing. */
const COMPRESS_FROM = 1_024
/** A header has a few encodings; whoever sends thousands gets the plain bytes. */
const ENCODINGS_MAX = 20

/**
 * Answers with content that never changes while the process runs. All requests share one buffer for each encoding, made when
 * it is first asked for: a request costs no memory but its own head.
 */
export function serveStatic(content: string | Buffer, headers: Readonly<Record<string, string>>): RequestListener {
  const plain = Buffer.from(content)
  const digest = createHash('sha256').update(plain).digest('base64url').slice(0, 27)
  const made = new Map<Encoding, Promise<Buffer>>([['identity', Promise.resolve(plain)]])
  const bytesIn = (encoding: Encoding): Promise<Buffer> => {
    const bytes =
      made.get(encoding) ?? (encoding === 'identity' ? Promise.resolve(plain) : compressWith[encoding](plain))
    made.set(encoding, bytes)
    return bytes
  }
  return async (req, res) => {
    const encoding = plain.length < COMPRESS_FROM ? 'identity' : chooseEncoding(req)
    const tag = `"${digest}-${encoding}"`
    for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
    res.setHeader('etag', tag)
    res.setHeader('vary', 'accept-encoding')
    if (isKnown(req, tag)) return void res.writeHead(304).end()
    const bytes = await bytesIn(encoding)
    if (encoding !== 'identity') res.setHeader('content-encoding', encoding)
    res.setHeader('content-length', bytes.length)
    res.writeHead(200).end(req.method === 'HEAD' ? undefined : bytes)
  }
}

/** The best encoding of Accept-Encoding that we have. A weight of 0 refuses one; other weights are between ones that are as good. */
function chooseEncoding({ headers }: IncomingMessage): Encoding {
  const parts = String(headers['accept-encoding'] ?? '').split(',', ENCODINGS_MAX + 1)
  if (parts.length > ENCODINGS_MAX) return 'identity'
  const accepted = new Map(
    parts.map((part) => {
      const [name = '', weight = ''] = part.split(';', 2)
      return [name.trim().toLowerCase(), !/^q=0(\.0{0,3})?$/.test(weight.trim().toLowerCase())]
    }),
  )
  const takes = (encoding: Encoding) => accepted.get(encoding) ?? accepted.get('*') ?? false
  return takes('br') ? 'br' : takes('gzip') ? 'gzip' : 'identity'
}

const isKnown = ({ method, headers }: IncomingMessage, tag: string) =>
  (method === 'GET' || method === 'HEAD') &&
  String(headers['if-none-match'] ?? '')
    .split(',')
    .some((known) => known.trim().replace(/^W\//, '') === tag || known.trim() === '*')
