import type { Db } from '../src/database/db.ts'
import { ensureOperatorClient } from '../src/database/operator-client.ts'
import { newId, OPERATOR_CLIENT } from '../src/domain/ids.ts'
import type { Routing } from '../src/domain/routing.ts'
import type { Bench, Figure, Row } from './bench.ts'
import { medianOf, runBeside } from './figures.ts'
import { startProgram } from './program.ts'
import { keys, STRIPE_SECRET, type Tenant } from './seed.ts'
import { FAN_OUT, measureSustained, type Setting, type Sustained, startSetting, warmUp } from './setting.ts'

const CLIENTS = 1_000

/** One Stripe webhook for many clients, beside a webhook for each of them. */
export const routed: Row = {
  name: 'routed',
  about: `The events of ${CLIENTS.toLocaleString('en')} clients with ${FAN_OUT} endpoints each, in turn, all through one source that routes them: by the client's id in
the metadata, and by the connected account. Baseline: as many sources, one for each client.`,
  async measure(bench: Bench): Promise<Figure[]> {
    const apart = await startWarm(bench)
    const figures: Figure[] = []
    for (const by of ['metadata', 'account'] as const) {
      const together = await startWarm(bench, by)
      figures.push(...figuresOf(by, await measureRounds(bench, by, { apart, together })))
      await together.stop()
    }
    await apart.stop()
    return figures
  },
}

async function startWarm(bench: Bench, by?: Routing['by'][number]): Promise<Setting> {
  const setting = await startSetting(bench, {
    start: startProgram,
    clients: CLIENTS,
    ...(by && { send: (tenants: Tenant[], db: Db) => routeBy(by, tenants, db) }),
  })
  await warmUp(setting)
  return setting
}

/** A source of the operator's that routes to all of them, and what the events say of whose they are. */
async function routeBy(by: Routing['by'][number], tenants: Tenant[], db: Db) {
  const sourceId = newId()
  await ensureOperatorClient(db)
  await db.query(
    `insert into sources (id, client_id, kind, signing_secrets, routing) values ($1, $2, 'stripe', $3, $4)`,
    [sourceId, OPERATOR_CLIENT, [keys.encrypt(STRIPE_SECRET)], { by: [by] } satisfies Routing],
  )
  if (by === 'metadata')
    return {
      sourceIds: [sourceId],
      names: { in: by, texts: tenants.map(({ clientId }) => `"flo_client":"${clientId}"`) },
    }
  const accounts = tenants.map((_, at) => `acct_${at}`)
  await db.query(
    `insert into source_routes (client_id, source_id, value, target_id)
     select $1, $2, value, target from unnest($3::text[], $4::uuid[]) r(value, target)`,
    [OPERATOR_CLIENT, sourceId, accounts, tenants.map(({ clientId }) => clientId)],
  )
  return {
    sourceIds: [sourceId],
    names: { in: 'event' as const, texts: accounts.map((account) => `"account":"${account}"`) },
  }
}

async function measureRounds(bench: Bench, by: string, { apart, together }: { apart: Setting; together: Setting }) {
  const seconds = bench.quick ? 2 : 6
  const rounds: { apart: Sustained[]; together: Sustained[] } = { apart: [], together: [] }
  for (let round = 1; round <= (bench.quick ? 1 : 3); round++) {
    const [one, many] = [await measureSustained(together, seconds), await measureSustained(apart, seconds)]
    rounds.together.push(one)
    rounds.apart.push(many)
    bench.say(`by ${by}: ${Math.round(one.perSecond)} events/s, a source each ${Math.round(many.perSecond)}`)
  }
  return rounds
}

function figuresOf(by: string, { apart, together }: { apart: Sustained[]; together: Sustained[] }): Figure[] {
  const of = 'a source for each client'
  const ratioOf = (what: keyof Sustained, bar = {}) =>
    runBeside(
      of,
      together.map((run) => run[what]),
      apart.map((run) => run[what]),
      bar,
    )
  const median = (what: keyof Sustained) => medianOf(together.map((run) => run[what]))
  return [
    {
      what: `1,000 clients behind one source, by ${by}`,
      value: median('perSecond'),
      unit: 'events/s',
      ratio: ratioOf('perSecond', { atLeast: 0.8 }),
      detail: { together, apart },
    },
    { what: `by ${by}: SQL statements per event`, value: median('statements'), unit: '' },
    {
      what: `by ${by}: processor time of the gateway per event`,
      value: median('nodeMs'),
      unit: 'ms',
      ratio: ratioOf('nodeMs'),
    },
    {
      what: `by ${by}: processor time of PostgreSQL per event`,
      value: median('postgresMs'),
      unit: 'ms',
      ratio: ratioOf('postgresMs'),
    },
  ]
}
