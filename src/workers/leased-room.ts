import type { ClientGroups } from '../database/client-groups.ts'
import type { Log } from '../log.ts'
import type { ClientUnit } from './leases.ts'
import type { Worker } from './worker.ts'

/** The units of a client that this worker holds; the same object for as long as they are held and none is added. */
export type HeldUnits = ReadonlySet<string>

/** When a client is looked at again after a turn. */
export interface NextLook {
  /** In milliseconds by the database's clock: at once where it has passed, not by itself where it is infinite. */
  at: number
  /** Something of the client goes on between turns: its units stay held. Its end wakes the client. */
  isBusy?: boolean
}

export const AT_ONCE = Number.NEGATIVE_INFINITY
export const NOT_BY_ITSELF = Number.POSITIVE_INFINITY

/** What a room does for its clients. Those of one call are all of one group (client-groups.ts). */
export interface LeasedRoom {
  /** The first word of its log events. */
  name: string
  /** The units of these clients that there is or may be work for. */
  listUnits: (clientIds: readonly string[]) => readonly ClientUnit[] | Promise<readonly ClientUnit[]>
  /**
   * Does a share of the work of each of these clients in the units that are held; a client may have none. Answers when each is to be
   * looked at again; one that is left out, not by itself.
   */
  workOn: (unitsOfClients: ReadonlyMap<string, HeldUnits>) => Promise<ReadonlyMap<string, NextLook>>
  /** When something of these clients is due next, in milliseconds; a client for which nothing is may be left out. */
  readNextDue: (clientIds: readonly string[]) => Promise<ReadonlyMap<string, number>>
  /** All clients for which something is due. */
  readDueClients: () => Promise<readonly string[]>
  /** Settles when what goes on between turns has ended: a stop waits for it before it gives units back. */
  untilEnded?: () => Promise<unknown>
}

export interface LeaseLoopDeps {
  log: Log
  worker: Worker
  groups: Pick<ClientGroups, 'groupOf'>
  /** The database's clock. */
  now: () => Date
  /** Units of this client are another process's: it should know that there is work. */
  onLeasedElsewhere: (clientId: string) => void
}

/** How a room is told that there is work, and is ended. */
export interface LeaseLoop {
  /** There may be work for this client. Returns at once. */
  wake(clientId: string): void
  /** Wakes every client that has due work: after a start, a death elsewhere, or a lost wake. */
  sweep(): Promise<void>
  /** How many clients wait for their turn. */
  waitingClientCount(): number
  /** Starts no more turns, waits for those under way, and gives everything back. */
  stop(): Promise<void>
}
