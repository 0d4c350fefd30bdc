import type { Queryable } from '../database/db.ts'
import type { EndpointChange } from '../watch.ts'

/** A change that is written to endpoint_news by the statement that makes it. */
export type EndpointNews = Exclude<EndpointChange, { what: 'disabled' }>

const MAX_PER_HOUR = 12
const AT_ONCE = 500

/**
 * Claims a change to be reported in this transaction. `gone`: it was reported already. `withheld`: too many of its kind were
 * reported of the endpoint within the hour, and this one never will be.
 */
export async function claimNews(
  tx: Queryable,
  { clientId, endpointId, what, since }: EndpointNews,
): Promise<'told' | 'withheld' | 'gone'> {
  const { rows } = await tx.query<{ state: 'told' | 'withheld' }>(
    `update endpoint_news n set state = case when lately.told < $5 then 'told' else 'withheld' end
       from (select count(*) as told from endpoint_news
              where client_id = $1 and endpoint_id = $2 and what = $3 and state = 'told'
                and noticed_at > now() - interval '1 hour') lately
      where n.client_id = $1 and n.endpoint_id = $2 and n.what = $3 and n.since = $4 and n.state = 'new'
     returning n.state`,
    [clientId, endpointId, what, since, MAX_PER_HOUR],
  )
  return rows[0]?.state ?? 'gone'
}

/** What is not reported yet, the oldest first: the process that noticed it may have died. */
export async function listUnclaimedNews(db: Queryable): Promise<EndpointNews[]> {
  const { rows } = await db.query<{ about: { failingSince?: string | null } }>(
    `select client_id as "clientId", endpoint_id as "endpointId", what, since, about from endpoint_news
      where state = 'new' order by noticed_at limit $1`,
    [AT_ONCE],
  )
  return rows.map(({ about: { failingSince, ...about }, ...row }) => ({
    ...row,
    ...about,
    ...(failingSince !== undefined && { failingSince: failingSince && new Date(failingSince) }),
  })) as EndpointNews[]
}

/** Deletes what was reported long ago: by then the event's key alone keeps it from being reported twice. */
export async function forgetOldNews(db: Queryable): Promise<void> {
  await db.query(`delete from endpoint_news where state <> 'new' and noticed_at < now() - interval '1 day'`)
}
