import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { scenarios } from '../../simulator/scenarios.ts'
import { RENDERED, simulate } from '../../simulator/simulate.ts'
import type { Json } from '../../src/domain/json.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { apiOn } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'
import { cases } from '../support/fixtures.ts'
import { normalizeClient } from '../support/normalizing.ts'
import { lanes, newSource } from '../support/storing.ts'
import { sampleCases } from '../support/thorough.ts'

// What the API cites for the fields of an event, read where it is said to stand: after the whole story, whatever came later.

const { db } = await freshDatabase()
const api = apiOn(db)
const deps = { db, log: newLog('silent'), mappings, fanOut, now: () => new Date(), holdSeconds: 0 }

const wide = process.env.FLO_TRUTH
const versions = wide ? wide.split(',') : ['2025-03-31.basil']
const scenarioStories: [string, Json[]][] = versions.flatMap((apiVersion) =>
  scenarios.flatMap(({ name }, at) =>
    RENDERED.filter((_, way) => wide || (at + way) % 6 === 0).map((rendered): [string, Json[]] => [
      `${name} ${apiVersion}, rendered ${rendered}`,
      simulate(name, {
        apiVersion,
        rendered,
        clientUserId: at % 2 ? 'user_1' : null,
        account: at % 3 ? null : 'acct_1',
      }),
    ]),
  ),
)
const stories = wide ? scenarioStories : sampleCases(scenarioStories, 3)
const fixtures = wide ? cases : sampleCases(cases, 16)

test.each([...stories, ...fixtures])('%s: what is cited stands there and comes to what was sent', async (_, events) => {
  expect(await findLies(events)).toEqual([])
})

const corpus = process.env.FLO_CORPUS ?? ''
test.skipIf(corpus === '' || !wide)('recorded events (FLO_CORPUS, FLO_TRUTH)', async () => {
  const lines = readFileSync(join(corpus, 'stripe-events.jsonl'), 'utf8').trim().split('\n')
  const events: Json[] = lines.map((line) => JSON.parse(line).event)
  expect(await findLies(events.filter((_, at) => at % 4 === 0).slice(0, 300))).toEqual([])
})

interface Cited {
  path: string
  value: Json
  role: string
  object: { kind: string; id: string | null } | null
}

async function findLies(events: readonly Json[]): Promise<object[]> {
  const source = await newSource(db)
  const received: { id: string; event: Json }[] = []
  for (const event of events) {
    const [id] = await source.store(event).catch(() => [])
    if (id) received.push({ id, event })
    while ((await normalizeClient(deps, source.clientId, lanes)).sourceEventCount > 0);
  }
  const records = await loadRecords(source.clientId)
  const sent = new Map(
    [...(await source.events()), ...(await source.events('florentin.v1'))].map(({ id, body }) => [id, body]),
  )
  const lies: object[] = []
  for (const { id, event } of received)
    for (const told of await readExplained(source.clientId, id)) {
      const statesOf = (kind: string, objectId: string | null) => [
        ...received
          .map((one) => one.event.data?.object)
          .filter((one) => one?.id === objectId && (one.object ?? kind) === kind),
        ...(records.get(`${kind} ${objectId}`) ?? []),
      ]
      const at = { event, events: received.map((one) => one.event), statesOf, type: told.type }
      for (const field of told.fields) {
        const wrong = [...field.reads, ...field.absent].filter((read: Cited) => !isThere(read, at))
        const comesTo = field.value === null ? null : comeTo(field)
        if (wrong.length > 0 || !isDeepStrictEqual(comesTo, field.value))
          lies.push({ of: event.type, told: told.type, field, wrong, comesTo })
      }
      const body = told.stored && sent.get(told.stored.id)
      if (body) lies.push(...findGaps(body, told).map((gap) => ({ of: event.type, told: told.type, ...gap })))
    }
  return lies
}

/** Fields of the event as it was sent that are not explained, or with another value. */
function findGaps(body: Json, { fields, differs, differsWhole }: Json): object[] {
  // What is not said any more, with what is known since, has no fields; the explanation says that it is so.
  if (fields.length === 0) return differsWhole === null ? [{ untold: body.eventType }] : []
  const explained = new Map<string, Json>(fields.map(({ field, value }: Json) => [field, value]))
  return leavesOf(body, '').flatMap(([field, value]): object[] => {
    const names = [...explained.keys()].filter(
      (name) => field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`),
    )
    const [name] = names.sort((a, b) => b.length - a.length)
    if (name === undefined) return [{ missing: field, value }]
    const told =
      field === name ? explained.get(name) : valueAt(explained.get(name), field.slice(name.length).replace(/^\./, ''))
    const isSaid = differs.some((one: Json) => field.startsWith(one.field) || one.field.startsWith(field))
    return isDeepStrictEqual(told, value) || isSaid ? [] : [{ field, sent: value, told }]
  })
}

const leavesOf = (value: Json, at: string): [string, Json][] => {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return [[at, value]]
  return Object.keys(value).flatMap((key) =>
    leavesOf(value[key], Array.isArray(value) ? `${at}[${key}]` : at === '' ? key : `${at}.${key}`),
  )
}

async function readExplained(clientId: string, id: string): Promise<Json[]> {
  const events: Json[] = []
  let cursor: string | null = null
  do {
    const query: string = new URLSearchParams({ clientId, ...(cursor && { cursor }) }).toString()
    const { status, body } = await api.admin.get(`/v1/source-events/${id}/explain?${query}`)
    expect(status).toBe(200)
    for (const one of body.data.events) {
      const last = events.at(-1)
      if (last && last.contract === one.contract && last.key === one.key) last.fields.push(...one.fields)
      else events.push({ ...one, differsWhole: body.data.differs })
    }
    cursor = body.meta.nextCursor
  } while (cursor !== null)
  return events
}

/** What the database holds beside raw events, by kind and id as it is cited. */
async function loadRecords(clientId: string): Promise<Map<string, Json[]>> {
  const objects = await db.query('select object_id, kind, snapshot from objects where client_id = $1', [clientId])
  const users = await db.query('select * from users where client_id = $1', [clientId])
  const entries = [
    ...objects.rows.map(({ object_id: id, kind, snapshot }) => [
      `${kind} ${id.replace(/^@[^/]*\//, '').replace(/^link:/, '')}`,
      snapshot.object,
    ]),
    ...users.rows.map((user) => [`user ${user.id}`, user]),
  ]
  return new Map(
    [...Map.groupBy(entries, ([key]) => key as string)].map(([key, all]) => [key, all.map(([, one]) => one)]),
  )
}

interface Place {
  event: Json
  events: readonly Json[]
  statesOf: (kind: string, id: string | null) => Json[]
  type: string
}

function isThere({ path, value, role, object }: Cited, { event, events, statesOf, type }: Place): boolean {
  const stands = (one: Json) => isDeepStrictEqual(valueAt(one, path), value)
  if (role === 'memory') return true
  if (role === 'constant') return path === 'always' || value === type
  if (path.startsWith('event.')) return stands({ event: object ? events.find(({ id }) => id === object.id) : event })
  if (role.endsWith('before')) {
    const { object: now, previous_attributes: previous } = event.data
    const states = [
      ...statesOf(now.object, now.id),
      ...events.map(({ data }) => data?.object).filter((one) => one?.id === now.id),
    ]
    return stands(previous) || states.some(stands) || isWithin(previous, now, path, value)
  }
  if (object === null) return stands(event.data?.object)
  const states = statesOf(object.kind, object.id)
  return states.some(stands) || (value === null && states.length === 0)
}

/** Of a list that is told in part: what is not told is as it is now. */
const isWithin = (previous: Json, now: Json, path: string, value: Json) => {
  const [first = ''] = path.split(/[.[]/)
  return previous?.[first] !== undefined && value !== undefined
    ? JSON.stringify([previous, now]).includes(JSON.stringify(value))
    : false
}

const valueAt = (object: Json, path: string): Json =>
  path === 'the object'
    ? (object ?? null)
    : path
        .split(/[.[\]]+/)
        .filter(Boolean)
        .reduce<Json>((at, key) => at?.[key] ?? null, object ?? null)

const ZERO_DECIMALS = new Set('BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF'.split(' '))
const THREE_DECIMALS = new Set('BHD JOD KWD OMR TND'.split(' '))

/** Own arithmetic, by the names of the conversions; what picks a value out, or is done by a pack, leaves it as it is. */
const STEPS: Readonly<Record<string, (values: Json[]) => Json[]>> = {
  seconds: (values) => values.map((one) => Date.parse(one) / 1000),
  isoTime: (values) => values.map((one) => new Date(one * 1000).toISOString()),
  upperCase: (values) => values.map((one) => (typeof one === 'string' ? one.toUpperCase() : one)),
  number: (values) => values.map((one) => (typeof one === 'string' && /^[\d.-]+$/.test(one) ? Number(one) : one)),
  uuid: (values) => values.map((one) => one.toLowerCase()),
  product: (values) => values.flatMap((one, at) => (at % 2 === 0 ? [Number(one) * Number(values[at + 1])] : [])),
  sum: (values) => [values.flat().reduce((sum, one) => sum + Number(one), 0)],
  minus: ([first, second]) => [first - second],
  'shared evenly': ([first, second]) => [first / second],
  'owner and line': ([first, second]) => [`${first}:${second ?? ''}`],
  'part or whole': ([first, second]) => [first >= second ? 'refunded' : 'partially_refunded'],
  metadata: (values) =>
    typeof values.at(-1) === 'string'
      ? [{ ...(values.length > 1 ? values[0] : {}), attribution: values.at(-1) }]
      : values,
}

function comeTo({ reads, through, value }: Json): Json {
  // What is hashed, or given by chance, stands nowhere.
  if (through.some((step: string) => /^uuid of|^Flo's id of the user/.test(step))) return value
  let values = packed(reads.filter((read: Cited) => !read.role.startsWith('condition')))
  const currency = through.includes('major') ? String(values.pop()).toUpperCase() : ''
  for (const step of through as string[]) {
    const row = /^oneOf \((.*) → (.*)\)$/.exec(step)
    if (row) values = values.map((one) => (one === row[1] ? row[2] : one))
    else if (step === 'major') values = [Number((Number(values[0]) / 10 ** digitsOf(currency)).toPrecision(15))]
    else values = STEPS[step]?.(values) ?? values
  }
  const made = values.length === 1 ? values[0] : values
  return typeof made === 'number' && Math.abs(made - value) < 1e-9 ? value : made
}

/** What was read; a quantity that is sold in packs, whose terms are read behind it, in packs. */
function packed(reads: readonly Cited[]): Json[] {
  const values: Json[] = []
  for (const { path, value } of reads) {
    if (!/\.transform_(quantity|usage)\./.test(path)) values.push(value)
    else if (path.endsWith('.divide_by')) values.push(values.pop() / value)
    else values.push(value === 'up' ? Math.ceil(values.pop()) : Math.floor(values.pop()))
  }
  return values
}

const digitsOf = (currency: string) => (ZERO_DECIMALS.has(currency) ? 0 : THREE_DECIMALS.has(currency) ? 3 : 2)
