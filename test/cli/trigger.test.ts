import { afterAll, describe, expect, test, vi } from 'vitest'
import { contracts } from '../../mappings/index.ts'
import { firstPayment } from '../../simulator/scenario.ts'
import { scenarios } from '../../simulator/scenarios.ts'
import { NEWEST } from '../../simulator/versions.ts'
import { parseCall, UsageError } from '../../src/cli/command.ts'
import command from '../../src/cli/trigger.ts'
import { eventsUntilNow } from '../../src/cli/trigger-post.ts'
import { shortestStories, storyOf } from '../../src/cli/trigger-story.ts'
import { runCommand } from '../support/command.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { layWay } from '../support/way.ts'

const folder = await temporaryFolder()
const TYPES = present(contracts['flo.v1']).eventTypes
/** What the provider's application alone can tell is left out. */
const FLORENTIN = present(contracts['florentin.v1'])
  .eventTypes.filter((type) => !/^(user|team_member)/.test(type))
  .sort()

describe('over a running gateway', async () => {
  const receiver = await startReceiver()
  const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0' })
  const { sourceId, clientId } = await layWay(gateway.api, receiver.url)
  const env = environment(gateway.databaseUrl)
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  afterAll(() => void vi.unstubAllEnvs())

  /** The command in this process, where a new one would take longer to start than to do its work. */
  const trigger = async (...words: string[]) => {
    const [out, notes]: [string[], string[]] = [[], []]
    const code = await command.run({
      ...parseCall(command, words),
      printLine: (line) => void out.push(line),
      printNote: (line) => void notes.push(line),
    })
    return { code, stdout: out.join('\n'), stderr: notes.join('\n') }
  }
  const to = () => ['--source', sourceId, '--url', gateway.url]

  test.each(TYPES)('%s arrives at the endpoint when it is asked for', async (type) => {
    const before = receiver.requests.length
    const { code, stdout, stderr } = await trigger(type, ...to())
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toContain(`✓ ${type}`)
    expect(receiver.requests.slice(before).map(({ body }) => JSON.parse(body).eventType)).toContain(type)
  })

  test('a scenario is played whole, in the shape, of the customer and of the user that were asked for', async () => {
    const before = receiver.requests.length
    const { code, stdout } = await trigger(
      'cancel-at-period-end',
      ...to(),
      ...['--api-version', '2022-11-15', '--customer', 'cus_mine', '--client-user-id', 'user_7'],
    )
    expect(code).toBe(0)
    expect(stdout.match(/✓ [\w.]+(?= {2}flo\.v1)/g)).toEqual(
      [...firstPayment, 'subscription.cancelled', 'subscription.expired'].map(
        (one) => `✓ ${typeof one === 'string' ? one : one.type}`,
      ),
    )
    expect(stdout).toContain('10 events came of 18 Stripe events.')
    const bodies = receiver.requests.slice(before).map(({ body }) => JSON.parse(body))
    expect(bodies.find(({ eventType }) => eventType === 'subscription.cancelled').user.clientUserId).toBe('user_7')
    const { rows } = await gateway.db.query(
      `select customer_id from user_customers where client_id = $1 and customer_id = '@+test/cus_mine'`,
      [clientId],
    )
    expect(rows).toHaveLength(1)
  })

  describe('a source that routes', async () => {
    const routed = async (routing: object): Promise<string> =>
      (await gateway.api('POST', '/v1/sources', { signingSecrets: ['whsec_routed'], routing })).body.data.id
    const [byMetadata, byAccount] = [await routed({ by: 'metadata', key: 'tenant' }), await routed({ by: 'account' })]
    for (const [id, value] of [
      [byMetadata, 'tenant_42'],
      [byAccount, 'acct_42'],
    ])
      await gateway.api('PUT', `/v1/sources/${id}/routes/${value}`, { clientId })
    const at = (id: string) => ['--source', id, '--url', gateway.url]

    test.each(['checkout-subscription', 'bare-payment', 'checkout-payment'])(
      'gets %s as a platform with one account tells it, and gives it to the client that is named',
      async (scenario) => {
        const { code, stdout } = await trigger(scenario, ...at(byMetadata), '--client', 'tenant_42')
        expect({ code, stdout }).toMatchObject({ code: 0 })
        expect(stdout).toMatch(/evt_\w+ of Acme/)
        expect(stdout).not.toContain('unrouted')
      },
    )

    test('gets the events of a connected account', async () => {
      const { code, stdout } = await trigger('subscription.renewed', ...at(byAccount), '--account', 'acct_42')
      expect({ code, stdout }).toMatchObject({ code: 0 })
      expect(stdout).toContain('✓ subscription.renewed')
    })

    test('shows what is nobody’s, and fails', async () => {
      const waits = ['--wait', '5']
      const stranger = await trigger('checkout-free', ...at(byMetadata), '--client', 'tenant_unknown', ...waits)
      expect(stranger).toMatchObject({ code: 1, stdout: expect.stringContaining('tenant_unknown') })
      expect(stranger.stdout).toContain('unrouted')
      const nobody = await trigger('checkout-free', ...at(byMetadata), ...waits)
      expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining('neither --client nor --account') })
    })

    test.each([
      [() => at(byAccount), ['--client', 'tenant_42'], 'routes by connected accounts alone'],
      [() => to(), ['--client', 'tenant_42'], 'belongs to one client'],
      [() => at(byAccount), ['--account', '42'], 'not the id of a connected account'],
    ] as const)('and other sources refuse what they would not heed', async (source, words, message) => {
      await expect(trigger('checkout-free', ...source(), ...words)).rejects.toThrow(message)
    })
  })

  test('an endpoint that does not answer well is shown, and the event came all the same', async () => {
    receiver.behave({ status: 500 })
    const { code, stdout } = await trigger('checkout-free', ...to())
    receiver.behave({})
    expect(code).toBe(0)
    expect(stdout).toContain('will be tried again')
  })

  test('it runs as a command, and says when nobody listens where it posts to', async () => {
    const run = (url: string) =>
      runCommand(['trigger', 'checkout-free', '--source', sourceId, '--url', url], folder, env)
    const played = await run(gateway.url)
    expect(played).toMatchObject({ code: 0, stdout: expect.stringContaining('✓ item.purchased') })
    const silent = await run('http://127.0.0.1:9')
    expect(silent.code).toBe(2)
    expect(silent.stderr).toContain('No gateway answers at http://127.0.0.1:9/')
  })

  test('an event that does not come within the time is answered with 1', async () => {
    const sink = await startReceiver()
    const { code, stdout } = await trigger('item.purchased', '--source', sourceId, '--url', sink.url, '--wait', '1')
    expect(code).toBe(1)
    expect(stdout).toContain('Did not come: item.purchased')
  })

  test('a source that is not there, or was refused, is told in one line', async () => {
    await expect(trigger('checkout-free', '--source', clientId)).rejects.toThrow(`No source has the id "${clientId}"`)
    const elsewhere = await startReceiver({ status: 400, body: '{"error":"signature_invalid"}' })
    await expect(trigger('checkout-free', '--source', sourceId, '--url', elsewhere.url)).rejects.toThrow(
      /answered 400 to .*signature_invalid/,
    )
  })
})

test.each([
  ['subscription.renew', 'did you mean subscription.renewed'],
  ['trial-convert', 'did you mean trial-converts'],
  ['refund', 'refund-pending'],
])('a name that is nearly right, %s, is answered with the right one', (asked, answer) => {
  expect(() => storyOf(asked, NEWEST)).toThrow(UsageError)
  expect(() => storyOf(asked, NEWEST)).toThrow(`"${asked}" is neither an event nor a scenario`)
  expect(() => storyOf(asked, NEWEST)).toThrow(answer)
})

test.each([
  [[], '<what> is missing'],
  [['renewal'], '--source is missing'],
  [['renewal', '--api-version', 'newest'], '"newest" is not an API version of Stripe'],
])('what is missing or wrong is named: %s', async (typed, message) => {
  const { code, stderr } = await runCommand(['trigger', ...typed], folder)
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})

test('the list shows every event that Stripe leads to, and every scenario', async () => {
  const { code, stdout } = await runCommand('trigger --list', folder)
  expect(code).toBe(0)
  for (const name of [...TYPES, ...FLORENTIN, ...scenarios.map(({ name }) => name)]) expect(stdout).toContain(name)
})

test('each event that Stripe leads to has a story, and no shorter one leads to it', () => {
  expect([...shortestStories(NEWEST).keys()].sort()).toEqual([...TYPES].sort())
  expect([...shortestStories(NEWEST, 'florentin').keys()].sort()).toEqual(FLORENTIN)
  expect(storyOf('item.purchased', NEWEST).scenario.name).toBe('checkout-free')
  expect(storyOf('invoice.deleted', NEWEST).scenario.name).toBe('deleted-draft')
  expect(storyOf('subscription.upgraded', NEWEST).scenario.name).toBe('quantity-change')
  expect(storyOf('tos.accepted', NEWEST).scenario.name).toBe('checkout-terms')
})

test('every scenario comes to its end about now', () => {
  const now = new Date('2026-03-01T12:00:00Z')
  const options = {
    seed: 's',
    apiVersion: NEWEST,
    clientUserId: null,
    customer: undefined,
    metadata: {},
    account: null,
    now,
  }
  for (const scenario of scenarios) {
    const last = present(eventsUntilNow(scenario, options).at(-1)).created * 1000
    expect(last, scenario.name).toBeLessThanOrEqual(now.getTime())
    expect(last, scenario.name).toBeGreaterThan(now.getTime() - 5 * 86_400_000)
  }
})
