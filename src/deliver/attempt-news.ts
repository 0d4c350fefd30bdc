import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import type { EndpointChange } from '../watch.ts'

/** What has become of an endpoint by its attempts. */
export type AttemptNews = Exclude<EndpointChange, { what: 'disabled' }>

/**
 * Writes down, in the transaction that commits the changes, what has become of endpoints: each is told once, whoever notices it
 * and however often. Answers those that are news.
 */
export async function insertNews(tx: Queryable, news: readonly AttemptNews[]): Promise<Set<AttemptNews>> {
  // Always in one order: two transactions with the same news wait for each other in a line, not in a ring.
  const ordered = [...Map.groupBy(news, keyOf)].sort(([a], [b]) => (a < b ? -1 : 1))
  const byKey = new Map(ordered.flatMap(([key, [first]]) => (first ? [[key, first]] : [])))
  const inserted = await insertRowsOfNews(tx, [...byKey.values()])
  return new Set(inserted.flatMap((row) => byKey.get(keyOf(row)) ?? []))
}

const keyOf = ({ endpointId, what, since }: Pick<AttemptNews, 'endpointId' | 'what' | 'since'>) =>
  `${endpointId} ${what} ${since.getTime()}`

const insertRowsOfNews = createRowInsert<AttemptNews, Pick<AttemptNews, 'endpointId' | 'what' | 'since'>>({
  name: 'deliver.news',
  table: 'endpoint_news',
  columns: {
    client_id: ({ clientId }) => clientId,
    endpoint_id: ({ endpointId }) => endpointId,
    what: ({ what }) => what,
    since: ({ since }) => since,
    about: ({ clientId: _, endpointId, what, since, ...about }) => JSON.stringify(about),
  },
  end: 'on conflict do nothing returning endpoint_id as "endpointId", what, since',
})
