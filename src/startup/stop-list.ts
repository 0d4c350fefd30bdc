import type { Log } from '../log.ts'

/** What has been started so far, and how each of it is stopped. */
export interface StopList {
  add(stop: () => Promise<unknown>): void
  /** Stops everything in the opposite order of its start, once however often it is called. Errors that `isKnown` are not logged. */
  stopAll(isKnown?: (error: unknown) => boolean): Promise<void>
}

export function createStopList(log: Log): StopList {
  const stops: (() => Promise<unknown>)[] = []
  let stopped: Promise<void> | undefined
  const stopInReverse = async (isKnown: (error: unknown) => boolean) => {
    for (const stop of stops.toReversed())
      await stop().catch((error) => isKnown(error) || log.error({ err: error }, 'gateway.stop_failed'))
  }
  return {
    add: (stop) => void stops.push(stop),
    stopAll: (isKnown = () => false) => (stopped ??= stopInReverse(isKnown)),
  }
}
