import { createHash } from 'node:crypto'

/**
 * The trace id of a source event: its own id without dashes. Every process has it from the row at hand, so no context has to
 * travel with an event, and the id of a source event is enough to find its trace.
 */
export const traceIdOf = (sourceEventId: string): string => sourceEventId.replaceAll('-', '')

/**
 * The id of a span that happens once: `receive <source event>`, `normalize <source event>`, `fan out <event>`. What follows can
 * name it as its parent without having seen it.
 */
export const spanIdOf = (what: 'receive' | 'normalize' | 'fan out', id: string): string => {
  const hex = createHash('sha256').update(`${what} ${id}`).digest('hex').slice(0, 16)
  // All zeros is no id.
  return hex === NO_SPAN ? '0000000000000001' : hex
}
const NO_SPAN = '0000000000000000'
