import type { Expr, Node, ObjectKind } from '../src/language/mapping.ts'
import { combiner } from '../src/language/words.ts'
import { periodStart, subscription } from './accessors/subscription.ts'

/** A period of a subscription as a fact that may be waited for: by the subscription's id and the second in which it begins. */
export const periodKey = combiner('at', (subscription: string, start: number) => `${subscription}:${start}`)

/** Facts that a stored object's newest state brings, beside the fact that the object is known. */
export const stateFacts: Partial<Record<ObjectKind, readonly { fact: string; key: Node }[]>> = {
  subscription: [{ fact: 'period', key: periodKey(subscription.from('id'), periodStart as Expr<number | null>) }],
}
