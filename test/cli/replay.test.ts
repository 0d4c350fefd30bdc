import { expect, test } from 'vitest'
import { contracts } from '../../mappings/index.ts'
import { previewLines, replayReportLines, replayStatusLine } from '../../src/cli/replay-text.ts'
import { inTransaction } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import { startReplay } from '../../src/replay/start.ts'
import { runCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { newEvents } from '../support/replaying.ts'
import { layWay } from '../support/way.ts'

const gateway = await startTestGateway({ LOG_LEVEL: 'error' })
const receiver = await startReceiver()
const folder = await temporaryFolder()
const env = environment(gateway.databaseUrl)
const { clientId, endpointId } = await layWay(gateway.api, receiver.url)

test('replay tells what it would send, sends it, and watches until its end', async () => {
  await newEvents(gateway.db, clientId, { count: 2, eventType: 'invoice.paid' })
  const [other] = await newEvents(gateway.db, clientId)
  const dry = await runCommand(`replay ${endpointId} --mode missing --since 1h --dry-run`, folder, env)
  expect(dry).toMatchObject({ code: 0, stderr: '' })
  expect(dry.stdout).toMatch(/^invoice\.paid +2$/m)
  expect(dry.stdout).toMatch(new RegExp(`subscription\\.created {2}${other}$`, 'm'))
  expect(dry.stdout).toContain('3 events would be sent. Nothing is stored.')

  const { code, stdout, stderr } = await runCommand(
    `replay ${endpointId} --mode missing --types invoice.*`,
    folder,
    env,
  )
  expect([code, stderr]).toEqual([0, expect.stringContaining('goes on without this command')])
  expect(stdout).toContain('2 of 2 events are on the way once more.')
  await eventually(() => receiver.requests.length === 2)
  const id = present(present(/replay --follow (\S+)/.exec(stderr))[1])
  await eventually(async () =>
    (await runCommand(`replay --follow ${id}`, folder, env)).stdout.includes('Deliveries: 2 delivered.'),
  )
  const again = await runCommand(`replay ${endpointId} --mode missing --types invoice.*`, folder, env)
  expect(again.stdout).toContain('There is nothing to replay.')
})

test('replay says what to mend', async () => {
  const said = async (words: string) => {
    const { code, stderr } = await runCommand(`replay ${words}`, folder, env)
    expect(code).toBe(2)
    return stderr
  }
  expect(await said('--mode failed')).toMatch('<endpointId> is missing')
  expect(await said(endpointId)).toMatch('--mode must be failed, missing or all.')
  expect(await said(`${newId()} --mode all`)).toMatch('No endpoint has the id')
  expect(await said('nonsense --mode all')).toMatch('No endpoint has the id "nonsense".')
  expect(await said(`${endpointId} --mode all --types invoice.lost`)).toMatch(
    '--types flo.v1 has no event type "invoice.lost".',
  )
  expect(await said(`${endpointId} --mode all --since 1h --until 2h --dry-run`)).toMatch(
    '--since must be before `until`.',
  )
  expect(await said(`--follow ${newId()}`)).toMatch('There is no replay')
  await gateway.api('POST', `/v1/endpoints/${endpointId}/disable`)
  expect(await said(`${endpointId} --mode all`)).toMatch('This endpoint is disabled: enable it first.')
})

test('replay without a gateway at work says when it begins', async () => {
  const idle = await startTestGateway({ FLO_ROLES: 'receive,api' })
  const way = await layWay(idle.api, receiver.url)
  const ran = await runCommand(`replay ${way.endpointId} --mode all`, folder, environment(idle.databaseUrl))
  expect(ran.code).toBe(0)
  expect(ran.stderr).toContain('No gateway with the role work runs on this database')
  const second = await runCommand(`replay ${way.endpointId} --mode all`, folder, environment(idle.databaseUrl))
  expect([second.code, second.stderr]).toEqual([2, expect.stringContaining('A replay to this endpoint runs')])
})

test('of two that begin at once the later one says so', async () => {
  const idle = await startTestGateway({ FLO_ROLES: 'receive,api' })
  const way = await layWay(idle.api, receiver.url)
  const deps = { contracts, now: () => new Date() }
  const { later } = await inTransaction(idle.db, async (tx) => {
    await startReplay(deps, tx, way.clientId, { endpointId: way.endpointId, mode: 'all' })
    const later = runCommand(`replay ${way.endpointId} --mode all`, folder, environment(idle.databaseUrl))
    const waits = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%into replays%'`
    await eventually(async () => (await idle.db.query(waits)).rowCount === 1, { timeoutMs: 20_000 })
    return { later }
  })
  expect(await later).toMatchObject({ code: 2, stderr: expect.stringContaining('A replay to this endpoint runs') })
})

test('the lines say what there is to say', async () => {
  const progress = {
    id: newId(),
    clientId,
    endpointId,
    state: 'running',
    found: 200,
    replayed: 50,
    skipped: 0,
    expired: 0,
    reason: null,
    deliveries: { delivered: 40, pending: 10 },
  } as const
  expect(replayStatusLine({ ...progress, found: null }, 80)).toBe('counting …')
  expect(replayStatusLine(progress, 120)).toMatch(/^█{6}░{18} {2}25 % {2}50 of 200 made {2}40 delivered, 10 pending$/)
  expect(replayStatusLine(progress, 40)).toHaveLength(39)
  expect(replayReportLines({ ...progress, state: 'done', found: 51, skipped: 1 }).join(' ')).toMatch(
    /50 of 51 events are on the way once more\. 1 event had come by another way meanwhile\..* Deliveries: 40 delivered, 10 pending\./,
  )
  const countedUntil = new Date('2026-04-10T00:00:00Z')
  const counted = {
    since: null,
    until: null,
    count: 5,
    expired: 2,
    byType: { 'invoice.paid': 5 },
    sample: [],
    countedUntil,
  }
  expect(previewLines(counted).join('\n')).toContain(
    '5 events would be sent, and what was made after 2026-04-10T00:00:00Z: counting took too long.',
  )
  expect(previewLines(counted).at(-1)).toBe('2 events cannot be sent any more: the body is past its retention.')
})
