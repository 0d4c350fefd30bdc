import type { Json } from '../domain/json.ts'
import { keepPrototypeKeys } from '../domain/prototype-key.ts'
import type { EventDraft } from './drafts.ts'
import { type Mapping, MappingError } from './mapping.ts'
import { kindOf, UnreadableError } from './unreadable.ts'

/**
 * The body of an event as the contract has it, in the contract's key order. What the contract does not take and may be null is
 * null; throws `unreadable_value` where it may not, and `invalid_target` for a body that no value of the event explains.
 */
export function validateBody(
  mapping: Mapping,
  { body, unreadable, sourceOf }: Pick<EventDraft, 'body' | 'unreadable' | 'sourceOf'>,
): Json {
  const parsed = mapping.to.safeParse(body)
  if (parsed.success) return keepPrototypeKeys(body, parsed.data)
  const refused = parsed.error.issues.filter(({ code }) => code !== 'unrecognized_keys')
  const emptied = refused.reduce<Json>((one, { path }) => withoutValueAt(one, path), body)
  const again = mapping.to.safeParse(emptied)
  if (again.success) return keepPrototypeKeys(body, again.data)
  const [{ path, message } = { path: [], message: '' }] = again.error.issues
  // A part that has to be there whole may be left out as a whole: how it was paid.
  const outer = mapping.to.safeParse(withoutValueAt(emptied, path.slice(0, -1)))
  if (outer.success && path.length > 2) return outer.data
  const field = path.map(String).join('.')
  const known = unreadable.find(({ at }) => at !== '' && `.${field}`.endsWith(at))
  if (known) throw known
  const place = sourceOf(path)
  if (place === null) throw new MappingError('invalid_target', `${field}: ${message}`)
  throw new UnreadableError(place, `${kindOf(valueAt(body, path))} is no ${field}`)
}

const valueAt = (body: Json, path: readonly PropertyKey[]): Json =>
  path.reduce<Json>((value, name) => value?.[name] ?? null, body)

/** A copy of a body that is null at one place. */
function withoutValueAt(body: Json, [name, ...below]: readonly PropertyKey[]): Json {
  if (name === undefined || typeof body !== 'object' || body === null) return null
  const inner = withoutValueAt(body[name], below)
  return Array.isArray(body) ? body.map((one, at) => (at === name ? inner : one)) : { ...body, [name]: inner }
}
