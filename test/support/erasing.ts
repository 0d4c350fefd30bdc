import { demoStory } from '../../demo/story.ts'
import { CUSTOMER } from '../../demo/stripe.ts'
import type { Db } from '../../src/database/db.ts'
import type { Json } from '../../src/domain/json.ts'
import { eventually } from './eventually.ts'
import type { startTestGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'
import { layWay } from './way.ts'

/** The story of one customer, told with ids of its own. */
export function storyOf(name: string): { customer: string; email: string; events: Json[] } {
  const events = demoStory()
    .flatMap(({ steps }) => steps)
    .filter(({ twist }) => twist !== 'forged')
    .map(({ event }) => event)
  const text = JSON.stringify(events)
    .replaceAll(/"(evt|cus|sub|in|il|si|ch|pi|py|cs|pm|re)_/g, `"$1_${name}`)
    .replaceAll(/"[^"@\s]+@[^"@\s]+"/g, `"${name}@example.com"`)
  const customer = CUSTOMER.replace('cus_', `cus_${name}`)
  return { customer, email: `${name}@example.com`, events: JSON.parse(text) }
}

/** A client with two users, each told in full and delivered; `echo`: the receiver answers with what it got. */
export async function layOut(gateway: Awaited<ReturnType<typeof startTestGateway>>, names: readonly string[]) {
  const receiver = await startReceiver(({ body }) => ({ status: 200, body }))
  const way = await layWay(gateway.api, receiver.url)
  const { clientId, sourceId } = way
  const stories = names.map((name) => ({ name, clientUserId: `user_${name}`, ...storyOf(name) }))
  for (const { clientUserId, customer, email, events } of stories) {
    await gateway.api('PUT', `/v1/users/${clientUserId}`, { clientId, email, stripeCustomerId: customer })
    for (const event of events) await way.post(gateway.url, JSON.stringify(event))
  }
  await settled(gateway.db, clientId)
  return { ...way, clientId, sourceId, receiver, stories }
}

/** Waits until nothing of the client is due. */
export const settled = (db: Db, clientId: string) =>
  eventually(async () => {
    const { rows } = await db.query(
      `select (select count(*) from source_events where client_id = $1 and state = 'received')
            + (select count(*) from deliveries where client_id = $1 and state = 'pending') as waiting`,
      [clientId],
    )
    return rows[0].waiting === 0
  })

/** Every table with how many rows of it hold one of the texts. */
export async function whereHeld(db: Db, texts: readonly string[]): Promise<Record<string, number>> {
  const { rows: tables } = await db.query<{ name: string }>(
    `select relname as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`,
  )
  const held: Record<string, number> = {}
  for (const { name } of tables) {
    // Raw bytes are read as text, which theirs are.
    const row = name === 'source_event_bodies' ? `t::text || convert_from(t.body, 'UTF8')` : 't::text'
    const { rows } = await db.query<{ count: number }>(
      `select count(*)::int as count from ${name} t where exists (select from unnest($1::text[]) x where strpos(${row}, x) > 0)`,
      [texts],
    )
    if (rows[0] && rows[0].count > 0) held[name] = rows[0].count
  }
  return held
}

/** Waits until the first look through what was deleted is over. */
export const looked = (db: Db, deletionId: string) =>
  eventually(async () => {
    const { rows } = await db.query(
      'select next_pass_at > now() or finished_at is not null as looked from deletions where id = $1',
      [deletionId],
    )
    return rows[0].looked
  })
