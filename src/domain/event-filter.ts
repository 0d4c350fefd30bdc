import type { Contract } from '../contracts/contract.ts'
import { Refusal, type RefusalDetail } from '../errors.ts'

/** Does an endpoint's filter take this event type? null takes all; `family.*` takes a family. */
export const takesEventType = (eventTypes: readonly string[] | null, type: string): boolean =>
  eventTypes === null ||
  eventTypes.some((one) => one === type || (one.endsWith('.*') && type.startsWith(one.slice(0, -1))))

/** Throws `invalid` for a filter entry that no event type of the contract could ever match. */
export function checkEventTypes(
  { name, eventTypes }: Pick<Contract, 'name' | 'eventTypes'>,
  filter: readonly string[] | null | undefined,
): void {
  const families = new Set(eventTypes.map((type) => `${type.split('.')[0]}.*`))
  const details = (filter ?? []).flatMap((entry, at): RefusalDetail[] =>
    eventTypes.includes(entry) || families.has(entry)
      ? []
      : [{ path: `eventTypes.${at}`, code: 'unknown_event_type', message: `${name} has no event type "${entry}"` }],
  )
  if (details.length > 0) throw new Refusal('invalid', { details })
}
