import type { Node, ObjectKind } from '../src/language/mapping.ts'
import { wordTable } from '../src/language/word-table.ts'
import { combiner } from '../src/language/words.ts'
import { planKeys } from './accessors/billed-plan.ts'
import { periodStarts } from './accessors/periods.ts'
import { subscription } from './accessors/subscription.ts'

/** A period of a subscription as a fact that may be waited for: by the subscription's id and the second in which it begins. */
export const periodKey = combiner('at', (subscription: string, start: number) => `${subscription}:${start}`)

/** The same for each period of a list. */
const periodKeys = combiner('each at', (subscription: string, starts: readonly number[]) =>
  starts.map((start) => `${subscription}:${start}`),
)

/** Facts that a stored object's newest state brings, beside the fact that the object is known: each by a list of keys. */
export const stateFacts: Partial<Record<ObjectKind, readonly { fact: string; keys: Node }[]>> = wordTable({
  subscription: [
    { fact: 'period', keys: periodKeys(subscription.from('id'), periodStarts) },
    { fact: 'plan', keys: planKeys },
  ],
})
