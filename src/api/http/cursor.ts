import { Refusal } from '../../errors.ts'
import type { KeyRing } from '../../secrets/keyring.ts'

/** A place in a list. */
export interface CursorPlace {
  /** Of the row at the place. */
  keys: string[]
  /** The page that ends at the place, not the one that begins there. */
  isBackward?: boolean
  /** With the row at the place itself. */
  isInclusive?: boolean
}

/** A place in one list in one order. */
interface CursorPosition extends CursorPlace {
  list: string
  order: 'asc' | 'desc'
}

/** An opaque, tamper-proof cursor that fits into a URL: `<key id>.<base64url>`. Any process with the key ring can read it. */
export function encodeCursor(keyRing: KeyRing, place: CursorPosition): string {
  const sealed = keyRing.encrypt(JSON.stringify(place))
  const at = sealed.indexOf(':')
  return `${sealed.slice(0, at)}.${Buffer.from(sealed.slice(at + 1), 'base64').toString('base64url')}`
}

/** The place in a cursor of this list and order. Throws `cursor_invalid` for any other text. */
export function decodeCursor(
  keyRing: KeyRing,
  cursor: string,
  { list, order }: Pick<CursorPosition, 'list' | 'order'>,
): CursorPlace {
  const place = decryptCursor(keyRing, cursor)
  if (place?.list !== list || place.order !== order)
    throw new Refusal('cursor_invalid', {
      details: [
        { path: 'cursor', code: 'cursor_invalid', message: 'is not a cursor that this list gave in this order' },
      ],
    })
  return place
}

function decryptCursor(keyRing: KeyRing, cursor: string): CursorPosition | undefined {
  const [keyId = '', base64url = ''] = cursor.split('.')
  const bytes = Buffer.from(base64url, 'base64url')
  // Base64 can write the same bytes in several ways; only one of them is ours.
  if (bytes.toString('base64url') !== base64url) return undefined
  try {
    return JSON.parse(keyRing.decrypt(`${keyId}:${bytes.toString('base64')}`))
  } catch {
    return undefined
  }
}
