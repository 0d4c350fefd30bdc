import type { StripeEvent } from '../../simulator/render/event.ts'
import type { Scenario } from '../../simulator/scenario.ts'
import { present } from './present.ts'

/** The ranks that a scenario gives its plans, by the ids that its prices came to have. */
export const ranksOf = ({ ranks = {} }: Scenario, events: StripeEvent[]) =>
  Object.fromEntries(
    events
      .filter(({ type, data }) => type === 'price.created' && data.object.nickname in ranks)
      .map(({ data: { object } }) => [object.id, present(ranks[object.nickname])]),
  )
