import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { describeMachine } from '../bench/machine.ts'
import { seededRandom } from '../simulator/random.ts'
import { deadNames, noDescriptors } from './connection-faults.ts'
import * as faults from './faults.ts'
import { BAD, type Receiver, startReceiver } from './receiver.ts'
import { type Setting, startSetting } from './setting.ts'
import { type Fault, type StrikeReport, settleAndAddUp, strikeFault, strikeLine, unexplainedRepeats } from './strike.ts'
import { unevenClients } from './sums.ts'
import { isWell, RECOVERY_BAR_MS, tortureReport } from './table.ts'

const HELP = `npm run torture -- [options]

Gateways under load, a PostgreSQL and its standby, and what goes wrong with them, again and again. Prints what was
done, how soon all was well again, and whether the sums are right; ends with 1 when they are not, when an attempt was
repeated that no fault explains, when a process ended by itself, or when recovery took longer than ${RECOVERY_BAR_MS / 1000} s.

  --minutes n       how long faults strike (3)
  --seed text       decides which, when and in which order (its own each time)
  --processes n     gateways on the one database (3)
  --children n      processes of each gateway, under a parent (1: the gateway itself, without one)
  --per-second n    events that Stripe sends, to seven endpoints each (50)
  --clients n       whose events those are: a third the first one's; every fifth behind one source that routes (50)
  --only words      of all faults those alone whose name holds one of these words: kill,poison,reset
`

const { values: flags } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string', default: randomBytes(4).toString('hex') },
    processes: { type: 'string', default: '3' },
    children: { type: 'string', default: '1' },
    clients: { type: 'string', default: '50' },
    'per-second': { type: 'string', default: '50' },
    only: { type: 'string', default: '' },
  },
})
if (flags.help) {
  console.log(HELP)
  process.exit()
}
const numberFlag = (
  name: 'minutes' | 'processes' | 'children' | 'clients' | 'per-second',
  least: number,
  most: number,
) => {
  const value = Number(flags[name])
  if (value >= least && value <= most) return value
  console.error(`--${name} must be a number from ${least} to ${most}.`)
  process.exit(2)
}
const minutes = numberFlag('minutes', 0.1, 240)
const processes = numberFlag('processes', 1, 10)
const children = numberFlag('children', 1, 10)
const clients = numberFlag('clients', 1, 1000)
const perSecond = numberFlag('per-second', 1, 1000)

/** Whatever happens: a run that hangs ends by itself. */
const GRACE_MINUTES = 10

const randomOf = (seed: string) => {
  const { below } = seededRandom(seed)
  return () => below(1_000_000) / 1_000_000
}
const random = randomOf(flags.seed)
// A stream of their own: how often receivers ask for one depends on the machine.
const receiverRandom = randomOf(`${flags.seed} receivers`)

const every: readonly Fault[] = [
  faults.killOne,
  faults.killAll,
  ...(children > 1 ? [faults.killChild] : []),
  faults.freeze,
  faults.restartDatabase('fast'),
  faults.restartDatabase('immediate'),
  faults.killBackend,
  faults.poison,
  faults.hostileTenant,
  deadNames,
  faults.cutOff('drop', 'one'),
  faults.cutOff('drop', 'all'),
  faults.cutOff('stall', 'one'),
  faults.cutOff('stall', 'all'),
  faults.silence('one'),
  faults.silence('all'),
  faults.cutInTheMiddle('statement'),
  faults.cutInTheMiddle('answer'),
  faults.halfClosed('client'),
  faults.halfClosed('server'),
  ...(process.platform === 'linux' ? [faults.diskFull, noDescriptors] : []),
  faults.failover,
  faults.failoverInSilence,
]
const words = flags.only.split(',')
const single = every.filter(({ name }) => words.some((word) => name.includes(word)))
if (single.length === 0) {
  console.error(`No fault is named like that. There are: ${every.map(({ name }) => name).join('; ')}.`)
  process.exit(2)
}

const isKill = (fault: Fault) => fault === faults.killOne || fault === faults.killAll

/** All of them in an order that the seed decides, then all of them in another order, and so on; now and then with a kill on top. */
function* chooseFaults(): Generator<Fault> {
  for (;;)
    for (const fault of single.toSorted(() => random() - 0.5))
      yield single.some(isKill) && random() < 0.2 && !isKill(fault) ? faults.atOnce(fault, faults.killOne) : fault
}

/** Endpoints that now and then treat the first attempt of a delivery badly, each in a manner of its own. */
const badReceivers = (): Promise<Receiver[]> =>
  Promise.all(
    BAD.map((manner) => startReceiver(({ attempt }) => (attempt === 1 && receiverRandom() < 0.3 ? manner : 'well'))),
  )

async function runTorture(setting: Setting): Promise<StrikeReport[]> {
  const struck: StrikeReport[] = []
  const allCrashes = () => setting.gateways.flatMap(({ crashes }) => crashes)
  let seen = 0
  const until = performance.now() + minutes * 60_000
  // The first event of each client, and a second of the load beside them.
  await setting.stripe.untilAccepted(clients + perSecond)
  for (const fault of chooseFaults()) {
    if (performance.now() > until) break
    const one = await strikeFault(setting, fault, { random })
    console.error(`  ${strikeLine(one)}`)
    for (const { message } of allCrashes().slice(seen)) console.error(`  a process ${message}`)
    seen = allCrashes().length
    struck.push(one)
    if (one.name.includes('promoted')) await faults.rebuildStandby(setting)
    await setting.stripe.untilAccepted(10)
  }
  return struck
}

console.error(
  `npm run torture -- --minutes ${minutes} --seed ${flags.seed} --processes ${processes} --children ${children} --clients ${clients}`,
)
// Each event is some kilobytes large, so that tables come to the limit while the disk is full.
const pad = randomBytes(2000).toString('hex')
const setting = await startSetting({
  processes,
  env: () => ({ FLO_PROCESSES: String(children) }),
  clients,
  perSecond,
  pad,
  replicated: true,
  bad: await badReceivers(),
  badTimeoutSeconds: 1,
})
const endRun = async (code: number) => {
  await setting.stop()
  process.exit(code)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void endRun(1))
setTimeout(
  () => {
    console.error('The run has not come to its end in time.')
    void endRun(1)
  },
  (minutes + GRACE_MINUTES) * 60_000,
).unref()

try {
  const struck = await runTorture(setting)
  const sums = await settleAndAddUp(setting, { patienceMs: 300_000 })
  const lost = unexplainedRepeats(sums.repeats, struck)
  const crashes = setting.gateways.flatMap(({ crashes }) => crashes)
  for (const repeat of lost) console.error(`  repeated for no reason: ${JSON.stringify(repeat)}`)
  for (const one of sums.missing) console.error(`  missing at the endpoint of that number: ${one}`)
  for (const one of sums.astray) console.error(`  with a client whose it is not: ${one}`)
  for (const one of unevenClients(sums.clients)) console.error(`  sums of a client: ${JSON.stringify(one)}`)
  const options = { minutes, processes, clients, perSecond, seed: flags.seed }
  const run = { struck, sums, lost, crashes, machine: describeMachine(), options }
  console.log(tortureReport(run))
  await endRun(isWell(run) ? 0 : 1)
} catch (error) {
  console.error(error)
  await endRun(1)
}
