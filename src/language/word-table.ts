/**
 * A table by words that come from outside, such as Stripe's names of objects: without a prototype, so that `constructor` and
 * `__proto__` are words that are not in it, and no functions that every object has.
 */
export const wordTable = <Table extends object>(table: Table): Table =>
  Object.freeze(Object.assign(Object.create(null), table))
