import type { Config } from '../config.ts'
import { type Db, openPool } from '../database/db.ts'
import type { SessionSettings } from '../database/session-settings.ts'
import type { Log } from '../log.ts'
import type { StopList } from './stop-list.ts'

/** Pools by what they are for; a role that is not here has that of the work. */
export interface RolePools {
  ingest: Db
  api: Db
}

/** Pools beside that of the work, so that neither the work nor slow requests hold up what comes in. */
export function openRolePools(
  config: Config,
  { url, db, log }: { url: string; db: Db; log: Log },
  started: StopList,
): RolePools {
  const openRolePool = (name: keyof RolePools, settings: SessionSettings = {}): Db => {
    const pool = openPool(url, {
      max: config.connections[name],
      onError: ({ message }) => log.warn({ message, pool: name }, 'database.connection_lost'),
      settings,
    })
    started.add(() => pool.end())
    return pool
  }
  return {
    ingest: config.roles.has('receive') || config.roles.has('api') ? openRolePool('ingest') : db,
    api: config.roles.has('api')
      ? openRolePool('api', {
          statement_timeout: String(Math.ceil(config.apiStatementSeconds * 1000)),
          // One request takes one core: more would be taken from the work of others.
          max_parallel_workers_per_gather: '0',
        })
      : db,
  }
}
