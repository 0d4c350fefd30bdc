import { mappings } from '../mappings/index.ts'
import { scenarios } from '../simulator/scenarios.ts'
import { simulate } from '../simulator/simulate.ts'
import { runAtOnce } from '../src/language/strides.ts'
import { collectLookups } from '../src/normalize/collect-lookups.ts'
import { normalizeSourceEvent } from '../src/normalize/normalize-event.ts'
import { sortByOccurrence } from '../src/normalize/source-event.ts'
import { type SourceEventRow, sourceEventOf } from '../src/normalize/source-events.ts'
import { noLookups } from '../src/normalize/world/lookups.ts'
import { packSnapshot } from '../src/normalize/world/snapshots.ts'
import { emptyWorld } from '../src/normalize/world/world.ts'
import { answerParent, cpuUsage, readConfigOf } from './child.ts'
import { stripeEvent } from './stripe-event.ts'

const CLIENT = '11111111-1111-4111-8111-111111111111'
const SOURCE = '22222222-2222-4222-8222-222222222222'
/** Events of one world, as in a batch. */
const BATCH = 60

/** Source events as they are stored. */
type Rows = readonly (SourceEventRow & { body: Buffer })[]

let made = 0
const madeBatches: Record<NormalizeConfig['events'], () => readonly Rows[]> = {
  subscriptions: () => [Array.from({ length: BATCH }, () => rowOf(JSON.parse(stripeEvent(`${++made}x`)), made))],
  stories: () => stories,
}
/** Which events: new subscriptions, each with a customer of its own, or the stories of the simulator. */
export interface NormalizeConfig {
  events: 'subscriptions' | 'stories'
}

const { events: kind } = readConfigOf<NormalizeConfig>()
const stories = scenarios.map((scenario) => simulate(scenario).map(rowOf))

function rowOf(event: { id: string; type: string; created: number }, at: number): Rows[number] {
  return {
    id: `0190a000-0000-7000-8000-${String(at).padStart(12, '0')}`,
    source_id: SOURCE,
    event_id: event.id,
    type: event.type,
    account: '',
    livemode: true,
    api_version: null,
    created_at: new Date(event.created * 1000),
    received_at: new Date(0),
    body: Buffer.from(JSON.stringify(event)),
  }
}

/** What the gateway does with a batch between reading the rows and writing them, from bytes to bytes. */
function normalizeRows(rows: Rows): number {
  const world = emptyWorld(CLIENT)
  world.sources.set(SOURCE, { hasApiKey: false, openCircuitReason: null, planRanks: {}, idsByRealm: true })
  const due = sortByOccurrence(rows.map(sourceEventOf))
  // Each is looked at once more when what it names is loaded.
  for (let pass = 0; pass < 2; pass += 1)
    for (const event of due) runAtOnce(collectLookups({ world, mappings }, event, noLookups()))
  const limits = { now: new Date(), holdSeconds: 0 }
  let chars = 0
  for (const event of due)
    for (const { body } of runAtOnce(normalizeSourceEvent({ world, mappings, limits }, event)).events)
      chars += body.length
  for (const { snapshot, memory } of world.dirty.objects)
    chars += JSON.stringify(packSnapshot(snapshot)).length + JSON.stringify(memory).length
  return chars
}

/** The bar: the same bytes read and written again. */
const parseRows = (rows: Rows): number =>
  rows.reduce((chars, { body }) => chars + JSON.stringify(JSON.parse(body.toString('utf8'))).length, 0)

/** Processor microseconds for each event, over `seconds`. */
function measureEach(work: (rows: Rows) => number, seconds: number): number {
  const end = performance.now() + seconds * 1000
  let [events, spent] = [0, 0]
  while (performance.now() < end)
    for (const rows of madeBatches[kind]()) {
      const before = cpuUsage().cpuSeconds
      work(rows)
      spent += cpuUsage().cpuSeconds - before
      events += rows.length
    }
  return (spent / events) * 1e6
}

const commands = {
  normalize: (seconds: number) => measureEach(normalizeRows, seconds),
  parse: (seconds: number) => measureEach(parseRows, seconds),
}
export type NormalizeEvents = typeof commands
answerParent({}, commands)
