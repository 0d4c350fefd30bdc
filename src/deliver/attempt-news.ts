import type { EndpointChange } from '../watch.ts'

/** What has become of an endpoint by its attempts. */
export type AttemptNews = Exclude<EndpointChange, { what: 'disabled' }>

/**
 * For the statement that commits a change: the rows of endpoint_news for the news in the parameter `at`, of the client $1.
 * Answers the deliveries of those that are news. `where` says which of them have come true.
 */
export const insertNewsSql = (at: number, where: string): string =>
  `noted as (
     insert into endpoint_news (client_id, endpoint_id, what, since, about)
     select $1, n.endpoint_id, n.what, n.since, n.about
       from jsonb_to_recordset($${at}::jsonb) as n(endpoint_id uuid, what text, since timestamptz, about jsonb)
      where ${where}
      order by n.endpoint_id, n.what, n.since
         on conflict do nothing
     returning (about->>'deliveryId')::uuid as delivery_id)`

/** The parameter for `noted`. */
export const newsParameter = (news: readonly AttemptNews[]): string =>
  JSON.stringify(
    news.map(({ clientId: _, endpointId, what, since, ...about }) => ({ endpoint_id: endpointId, what, since, about })),
  )
