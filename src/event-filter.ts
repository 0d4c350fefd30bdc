/** Does an endpoint's filter take this event type? null takes all; `family.*` takes a family. */
export const wanted = (eventTypes: readonly string[] | null, type: string): boolean =>
  eventTypes === null ||
  eventTypes.some((one) => one === type || (one.endsWith('.*') && type.startsWith(one.slice(0, -1))))
