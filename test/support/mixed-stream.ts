import { type Random, seededRandom } from '../../simulator/random.ts'
import type { StripeEvent } from '../../simulator/render/event.ts'
import type { Scenario } from '../../simulator/scenario.ts'
import { scenarios } from '../../simulator/scenarios.ts'
import { simulate } from '../../simulator/simulate.ts'
import { VERSIONS } from '../../simulator/versions.ts'
import type { Db } from '../../src/database/db.ts'
import { decideRoutes, routeKey } from '../../src/domain/route-decision.ts'
import { readRoutingClues } from '../../src/domain/routing-clues.ts'
import { present } from './present.ts'
import { ranksOf } from './ranks.ts'
import { DEPENDING, factsOf, type ToldEvent } from './same-story.ts'

/** How the events of a stream say whose they are. */
export type NamedBy = 'metadata' | 'account'

/** What happens to the customers of one client of a platform. */
export interface ClientStory {
  /** What `flo_client` holds, or the connected account. */
  name: string
  scenarios: Scenario[]
  events: StripeEvent[]
  planRanks: Record<string, number>
}

/** A story of some scenarios for each client, every client with ids of its own, all told in one API version. */
export function tellStories(
  seed: string,
  { clients, length, by }: { clients: number; length: number; by: NamedBy },
): ClientStory[] {
  const random = seededRandom(seed)
  const apiVersion = present(VERSIONS[random.below(VERSIONS.length)])
  return Array.from({ length: clients }, (_, at) => {
    const name = by === 'account' ? `acct_1${random.letters(15)}` : `client-${at}-${random.letters(4)}`
    const played = Array.from({ length }, () => present(scenarios[random.below(scenarios.length)]))
    const told = played.map((scenario, nth) => ({
      scenario,
      events: simulate(scenario, {
        seed: `${seed} ${at} ${nth}`,
        apiVersion,
        clientUserId: `user_${at}_${nth}`,
        ...(by === 'account' ? { account: name } : { metadata: { flo_client: name } }),
      }),
    }))
    return {
      name,
      scenarios: played,
      events: told.flatMap(({ events }) => events),
      planRanks: Object.assign({}, ...told.map(({ scenario, events }) => ranksOf(scenario, events))),
    }
  })
}

/** An event on its way, and whose it is. */
export interface Arrival {
  story: ClientStory
  event: StripeEvent
}

/**
 * The events of all stories as one stream, some of them twice. `in order`: each story's own events come in theirs; `near`: not far
 * from it, as when Stripe sends again what was refused; `any`: anyhow.
 */
export function mixStories(
  stories: readonly ClientStory[],
  { random, order }: { random: Random; order: 'in order' | 'near' | 'any' },
): Arrival[] {
  const [places, scatter] = [10_000, order === 'near' ? 1_500 : 0]
  const placed = stories.flatMap((story) => {
    // A story begins somewhere and takes as long as it takes, so that all of them lie over one another.
    const begin = random.below(places / 4)
    const step = (places - begin) / story.events.length
    return story.events.flatMap((event, at) => {
      const place = order === 'any' ? random.below(places) : begin + at * step + random.below(1 + scatter)
      const again = random.below(6) === 0 ? [{ story, event, place: place + random.below(places / 8) }] : []
      return [{ story, event, place }, ...again]
    })
  })
  return placed.sort((a, b) => a.place - b.place).map(({ story, event }) => ({ story, event }))
}

/**
 * Whether each event of a story, in their order, tells whose it is or names what an event before it has told: none waits for another
 * then, and they are normalised as they come.
 */
export function isRoutedAtOnce({ name, events }: ClientStory, by: NamedBy): boolean {
  const known = new Map([[routeKey('source', by, name), { name, targetId: 'client' }]])
  return events.every((event) => {
    const realm = { account: event.account ?? '', livemode: event.livemode }
    const clues = readRoutingClues(event, { by: [by] }, realm)
    const [decision] = decideRoutes([{ sourceId: 'source', eventId: event.id, clues }], known)
    return decision?.state === 'routed' || decision?.state === 'shared'
  })
}

/** All that was emitted for a client. */
export async function readEmitted(db: Db, clientId: string): Promise<ToldEvent[]> {
  const { rows } = await db.query<ToldEvent>(
    `select e.contract, e.type, e.key, b.body
       from events e join event_bodies b on b.client_id = e.client_id and b.event_id = e.id
      where e.client_id = $1`,
    [clientId],
  )
  return rows
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** Events without the ids that are the client's or the source's own: business keys and bodies, letter by letter. */
export const withoutIds = (events: readonly ToldEvent[]): string[] =>
  events.map(({ contract, key, body }) => `${contract} ${key} ${body}`.replace(UUID, '…')).sort()

/** What gives access to a subscription; where its end has arrived before, it is told no more. */
const GRANTING = / subscription\.(?:created|reactivated|resumed|purchased|upgraded|downgraded):(\w+)/

/**
 * The facts of events that are the same in whatever order these arrive: keys without what the order may choose in them.
 * `ended`: subscriptions whose end had arrived before something else, at either of those that are compared.
 */
export const firmFactsOf = (
  { scenarios }: ClientStory,
  events: readonly ToldEvent[],
  ended: ReadonlySet<string>,
): string[] => {
  const depending = DEPENDING.filter(({ scenario }) => scenarios.some(({ name }) => scenario.test(name)))
  return factsOf({ events })
    .filter((fact) => !depending.some((one) => one.fact.test(fact)))
    .filter((fact) => !ended.has(GRANTING.exec(fact)?.[1] ?? ''))
}

/** The subscriptions of a client of which something arrived after their end. */
export async function readEnded(db: Db, clientId: string): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `select convert_from(b.body, 'utf8')::jsonb #>> '{data,object,id}' as id
       from source_events s join source_event_bodies b on b.client_id = s.client_id and b.source_event_id = s.id
      where s.client_id = $1 and s.reason_code = 'already_ended'`,
    [clientId],
  )
  return rows.map(({ id }) => id)
}
