/** A delivery that the fan-out has made, and what its first attempt needs of the event. */
export interface CreatedDelivery {
  id: string
  endpointId: string
  eventId: string
  eventType: string
  /** The body without the delivery's own id; undefined: it is to be read. */
  body: string | undefined
  sourceEventId: string | undefined
  /** Milliseconds of `performance.now()`, before the transaction that made it was committed. */
  madeAt: number
}
