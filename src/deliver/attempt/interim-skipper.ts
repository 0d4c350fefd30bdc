const STATUS_BYTES = 'HTTP/1.1 100'.length
const STATUS_BEGINNING = 'HTTP/1.'
const INTERIM = /^HTTP\/1\.\d 1\d\d/
const [LF, CR] = [0x0a, 0x0d]
const NOTHING = Buffer.alloc(0)

/** Finds the heads of interim answers (1xx) in front of a final one, however they are cut into chunks. */
export function createInterimSkipper() {
  let phase: 'line' | 'interim' | 'passing' = 'passing'
  /** The beginning of a status line that is not known yet. */
  let begun = NOTHING
  /** Whether nothing has come of the present line: the next line end ends the head. */
  let isLineEmpty = false

  /** Drops an interim head from the front; what is left, or nothing. */
  const skipHead = (chunk: Buffer): Buffer => {
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte === LF && isLineEmpty) {
        phase = 'line'
        return chunk.subarray(at + 1)
      }
      if (byte === LF) isLineEmpty = true
      else if (byte !== CR) isLineEmpty = false
    }
    return NOTHING
  }
  /** Reads what kind of head begins; what is left to be looked at, nothing while it cannot be told. */
  const readStatus = (chunk: Buffer): Buffer | 'upgraded' => {
    const line = begun.length > 0 ? Buffer.concat([begun, chunk]) : chunk
    begun = NOTHING
    const start = line.findIndex((byte) => byte !== LF && byte !== CR)
    if (start < 0) return NOTHING
    const status = line.toString('latin1', start, start + STATUS_BYTES)
    if (status.length < STATUS_BYTES && STATUS_BEGINNING.startsWith(status.slice(0, STATUS_BEGINNING.length))) {
      begun = Buffer.from(line.subarray(start))
      return NOTHING
    }
    if (INTERIM.test(status) && status.endsWith('101')) return 'upgraded'
    phase = INTERIM.test(status) ? 'interim' : 'passing'
    isLineEmpty = false
    return line
  }

  return {
    /** A new answer begins. */
    restart() {
      phase = 'line'
      begun = NOTHING
    },
    /** What of the chunk, and of what was held back, is not interim; or that the receiver has switched protocols (101). */
    skipIn(chunk: Buffer): Buffer | 'upgraded' {
      let rest = chunk
      while (phase !== 'passing' && rest.length > 0) {
        const left = phase === 'interim' ? skipHead(rest) : readStatus(rest)
        if (left === 'upgraded') return left
        rest = left
      }
      return rest
    },
  }
}
