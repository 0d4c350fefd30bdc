import { memoizeByKey } from './memoized.ts'

/** Whether a part of a mapping reads the element of a list; else it is the same for all elements of the list that a rule tells. */
export const readsElement = memoizeByKey((part: object): boolean => {
  if ('op' in part && part.op === 'from' && 'scope' in part && part.scope === 'item') return true
  return Object.values(part).some((inner) => typeof inner === 'object' && inner !== null && readsElement(inner))
})
