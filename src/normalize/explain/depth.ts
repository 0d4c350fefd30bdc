/** Far below what Stripe nests, and far above what recursion bears. */
const MAX_DEPTH = 64

/**
 * A copy of plain data without what lies deeper than any real event: a body of a megabyte may nest so deep that writing it as
 * JSON, which recurses, is beyond any stack.
 */
export function truncateDepth<T>(value: T, levels = MAX_DEPTH): T {
  if (Array.isArray(value)) return (levels === 0 ? '[…]' : value.map((one) => truncateDepth(one, levels - 1))) as T
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  if (levels === 0) return '{…}' as T
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, truncateDepth(one, levels - 1)])) as T
}
