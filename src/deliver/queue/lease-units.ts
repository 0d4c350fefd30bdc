/** An endpoint's unit of work, as leases name it. */
export const leaseUnitOf = (endpointId: string): string => `endpoint:${endpointId}`

/** The reverse. */
export const endpointIdOf = (unit: string): string => unit.slice('endpoint:'.length)
