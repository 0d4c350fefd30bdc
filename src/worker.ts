/** This process among the others that work on the same database. */
export interface Worker {
  /** Changes when the session was lost and the process registered anew. */
  readonly id: string
  /**
   * Claims units of work of one client (`endpoint:<id>`, `lane:<n>`): `held` are those this worker has now (newly or already),
   * `elsewhere` those another live worker has. One statement.
   */
  claim(clientId: string, units: string[]): Promise<{ held: string[]; elsewhere: string[] }>
  /** Gives units back; a unit that is not held is passed over. */
  release(clientId: string, units: string[]): Promise<void>
  /** Called when the session that keeps this worker alive is lost: forget all leases at once, others may have them by now. */
  onLost(callback: () => void): void
  /** Called when the worker is registered (again): look for work. */
  onReady(callback: () => void): void
}
