import { beforeAll, expect, test } from 'vitest'
import { Explanation as Schema } from '../../src/api/resources/explanation-schema.ts'
import type { ExplainedCondition, Explanation } from '../../src/normalize/explain/explanation.ts'
import { runCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { fixture } from '../support/fixtures.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { layWay } from '../support/way.ts'

const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0', LOG_LEVEL: 'error' })
const receiver = await startReceiver()
const way = await layWay(gateway.api, receiver.url)
const folder = await temporaryFolder()

/** What the API explains of each event of a case, in their order. */
async function explanationsOf(name: string): Promise<Explanation[]> {
  const told: Explanation[] = []
  for (const event of fixture(name)) {
    expect((await way.post(gateway.url, JSON.stringify(event))).status).toBe(200)
    const id = await eventually(async () => {
      const { body } = await gateway.api('GET', `/v1/source-events?clientId=${way.clientId}&eventId=${event.id}`)
      return body.data[0]?.state !== 'received' && (body.data[0].id as string)
    })
    const { status, body } = await gateway.api('GET', `/v1/source-events/${id}/explain`)
    expect(status).toBe(200)
    expect(Schema.safeParse(body.data).error?.issues ?? []).toEqual([])
    told.push(body.data)
  }
  return told
}
const ofPlans = ({ mappings }: Explanation) =>
  present(mappings.find(({ mapping }) => mapping === 'florentin/plan-change'))
/** What the mapping says, and the condition of the rule that it says it by. */
const settlingRule = (explanation: Explanation) => {
  const { says, rules } = ofPlans(explanation)
  return { ...says, condition: present(rules.find(({ holds }) => holds)).condition }
}
/** What a rule that did not hold has compared. */
const comparedValues = (explanation: Explanation, rule: string) =>
  ofPlans(explanation).rules.find(({ says }) => says === rule)
const leafConditions = (condition: ExplainedCondition): ExplainedCondition[] =>
  condition.of?.flatMap(leafConditions) ?? [condition]

beforeAll(async () => {
  const planRanks = { price_1Basic: 1, price_1Plus: 2, price_1PlusYearly: 2 }
  const { status } = await gateway.api('PATCH', `/v1/sources/${way.sourceId}`, { planRanks })
  expect(status).toBe(200)
})

test('a change to a plan that costs the same a month shows both values', async () => {
  const [, toYear, toDays] = await explanationsOf('plan-change-of-equal-value-clover')
  for (const change of [present(toYear), present(toDays)]) {
    expect(settlingRule(change)).toMatchObject({
      kind: 'ignore',
      what: 'equal_value',
      because: expect.stringContaining('same'),
    })
    expect(leafConditions(present(present(comparedValues(change, 'subscription.upgraded')).condition))).toContainEqual({
      words: 'its recurring monthly value is more than its recurring monthly value before',
      holds: false,
      now: '1000',
      before: '1000',
    })
  }
  expect(present(comparedValues(present(toYear), 'ignore: no_plan_change')).condition).toMatchObject({
    now: 'price_1TenYearly at 12000 × 1',
    before: 'price_1TenMonthly at 1000 × 1',
  })
  // Flo tells the change all the same.
  expect(present(toYear).summary).toMatch(/^It became subscription\.updated\./)
  const { code, stdout } = await runCommand(
    ['explain', present(present(toYear).sourceEvent.id)],
    folder,
    environment(gateway.databaseUrl),
  )
  expect(code).toBe(0)
  expect(stdout).toContain('florentin/plan-change emits nothing: equal_value')
  expect(stdout).toContain(
    '✗ its recurring monthly value is more than its recurring monthly value before  (now "1000", before "1000")',
  )
})

test('a change between currencies, or among several, shows them', async () => {
  const [, toDollars, , toBoth] = await explanationsOf('plan-change-between-currencies-clover')
  expect(settlingRule(present(toDollars))).toMatchObject({ kind: 'ignore', what: 'currencies_not_compared' })
  expect(leafConditions(present(settlingRule(present(toDollars)).condition))).toContainEqual({
    words: 'the currencies of its items equals the currencies of its items before',
    holds: false,
    now: 'usd',
    before: 'eur',
  })
  expect(settlingRule(present(toBoth))).toMatchObject({ what: 'currencies_not_compared' })
  expect(leafConditions(present(settlingRule(present(toBoth)).condition))).toContainEqual({
    words: 'the number of those currencies is 1',
    holds: false,
    now: 2,
  })
  const { stdout } = await runCommand(
    ['explain', present(present(toBoth).sourceEvent.id)],
    folder,
    environment(gateway.databaseUrl),
  )
  expect(stdout).toMatch(
    /✓ not: priced in one currency, before and now: all of\n +✗ the number of those currencies is 1/,
  )
})

test('a change of a tiered plan shows its ranks, and that one has none, with what to do', async () => {
  const [, up, same, down, seats, unranked] = await explanationsOf('plan-change-of-tiered-plan-by-rank-clover')
  expect(settlingRule(present(up))).toMatchObject({
    what: 'subscription.upgraded',
    condition: { words: 'its rank is more than its rank before', now: 2, before: 1 },
  })
  expect(settlingRule(present(down))).toMatchObject({
    what: 'subscription.downgraded',
    condition: { now: 1, before: 2 },
  })
  expect(settlingRule(present(same))).toMatchObject({ kind: 'ignore', what: 'equal_rank' })
  expect(leafConditions(present(settlingRule(present(same)).condition))[0]).toMatchObject({
    holds: true,
    now: 2,
    before: 2,
  })
  expect(settlingRule(present(seats))).toMatchObject({ kind: 'ignore', what: 'equal_rank' })

  expect(settlingRule(present(unranked))).toMatchObject({
    kind: 'ignore',
    what: 'no_rank',
    because: expect.stringContaining('planRanks'),
  })
  expect(present(comparedValues(present(unranked), 'subscription.upgraded')).condition).toMatchObject({ holds: false })
  const byRank = ofPlans(present(unranked)).rules.findLast(({ says }) => says === 'subscription.upgraded')
  expect(leafConditions(present(present(byRank).condition))).toMatchObject([{ now: null, before: 1 }])
  expect(present(unranked).hints.join()).toContain('PATCH /v1/sources/{id} with planRanks')
  expect(present(same).hints).toEqual([])
})

test('an event that did not change the plan says so in one line', async () => {
  const [, discounted] = (await explanationsOf('subscription-invisible-changes-clover')).slice(1)
  expect(settlingRule(present(discounted))).toMatchObject({ kind: 'ignore', what: 'no_plan_change' })
})
