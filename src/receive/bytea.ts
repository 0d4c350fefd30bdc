const BYTEA_OID = 17

/**
 * Encodes a `bytea[]` parameter in PostgreSQL's binary array format. node-postgres would write each body as hex inside an
 * escaped text, which is twice the bytes and several copies; it sends a Buffer unchanged.
 */
export function encodeByteaArray(values: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(20)
  header.writeInt32BE(1, 0) // dimensions
  header.writeInt32BE(0, 4) // no nulls
  header.writeInt32BE(BYTEA_OID, 8)
  header.writeInt32BE(values.length, 12)
  header.writeInt32BE(1, 16) // the first index
  const parts: Buffer[] = [header]
  for (const value of values) {
    const length = Buffer.alloc(4)
    length.writeInt32BE(value.length)
    parts.push(length, value)
  }
  return Buffer.concat(parts)
}
