/**
 * The least and the greatest of some UUIDs, at least one. The ids carry their time, and what is sent together was mostly
 * made together: between the bounds lies little else. In a statement they keep any plan, also one for a client whom the
 * planner's statistics do not know yet, from walking through all of the client's rows; and they rule out partitions.
 */
export function idBounds(ids: readonly string[]): [string, string] {
  const [first] = ids
  if (first === undefined) throw new Error('the bounds of no ids were asked for')
  let [least, most] = [first, first]
  for (const id of ids) {
    if (id < least) least = id
    if (id > most) most = id
  }
  return [least, most]
}
