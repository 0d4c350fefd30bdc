export const EVENT_ORIGINS = ['stripe', 'timer', 'app'] as const
/** Who made a source event: Stripe, our own timer of an invoice that fell due, or the client's own application. */
export type EventOrigin = (typeof EVENT_ORIGINS)[number]

/** Marks the body of an event that our timer made. It carries no state: the invoice is judged as it is known by then. */
export const TIMER_BODY = 'flo.timer'

/** What the ids of the timer's events begin with; none of Stripe's does. */
export const TIMER_EVENT_PREFIX = 'overdue:'

/** App events come from no row of `sources`: their source is the client itself. */
export const appSourceId = (clientId: string): string => clientId

/** Who made a source event, by its identity alone. */
export const originOf = (event: { clientId: string; sourceId: string; eventId: string }): EventOrigin =>
  event.sourceId === appSourceId(event.clientId)
    ? 'app'
    : event.eventId.startsWith(TIMER_EVENT_PREFIX)
      ? 'timer'
      : 'stripe'
