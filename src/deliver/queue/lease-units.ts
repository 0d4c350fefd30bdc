/** An endpoint's unit of work, as leases name it. */
export const endpointUnit = (endpointId: string): string => `endpoint:${endpointId}`

/** The reverse. */
export const endpointOf = (unit: string): string => unit.slice('endpoint:'.length)
