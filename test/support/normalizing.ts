import { normalizeBatch } from '../../src/normalize/batch.ts'
import { type BatchDeps, NOTHING_DUE } from '../../src/normalize/batch-result.ts'
import { fireOverdueTimers } from '../../src/normalize/fire-timers.ts'

/** One batch of a single client. */
export const normalizeClient = async (deps: BatchDeps, clientId: string, lanes: readonly number[]) =>
  (await normalizeBatch(deps, new Map([[clientId, lanes]]))).get(clientId) ?? NOTHING_DUE

/** Fires the due timers of a single client. */
export const fireTimersOf = (
  deps: Parameters<typeof fireOverdueTimers>[0],
  clientId: string,
  lanes: readonly number[],
) => fireOverdueTimers(deps, new Map([[clientId, lanes]]))
