import type { Queryable } from './db.ts'
import { hasShards } from './shard-groups.ts'

/**
 * Which clients share a statement. Rooms take their work group by group: clients of one group may be in one batch, one statement and
 * one transaction; clients of different groups never are.
 */
export interface ClientGroups {
  /** The group of a client. */
  groupOf(clientId: string): string
  /** Asks the database again how its tables lie: they may be distributed while the gateway runs. */
  refreshGroups(): Promise<void>
}

/** All clients in one group: what one PostgreSQL takes in one go. */
const TOGETHER = ''

/**
 * The one place that decides how work is grouped. On one PostgreSQL all clients are one group, so that what a batch costs does not grow
 * with their number. On a Citus cluster each client is a group of its own: a statement that names one client goes straight to the node
 * that has its rows.
 */
export async function openClientGroups(db: Queryable): Promise<ClientGroups> {
  let areApart = await hasShards(db)
  return {
    groupOf: (clientId) => (areApart ? clientId : TOGETHER),
    async refreshGroups() {
      areApart = await hasShards(db)
    },
  }
}
