import { expect, test } from 'vitest'
import { seededRandom } from '../../simulator/random.ts'
import type { Json } from '../../src/domain/json.ts'
import { eventually } from '../support/eventually.ts'
import { cases } from '../support/fixtures.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { layWay } from '../support/way.ts'

// A dry run is given whatever a person types: it says what is wrong with it, or what would become of it, and never fails itself.

const gateway = await startTestGateway({ LOG_LEVEL: 'silent' })
const way = await layWay(gateway.api, 'http://127.0.0.1:9999/')

/** JSON texts of wrong types, sizes and characters. */
const ODD = [
  ...[
    'null',
    '0',
    '-1',
    '1e308',
    '9007199254740993',
    '8.64e15',
    '253402300800',
    'true',
    'false',
    '""',
    '" "',
    '[]',
    '[[]]',
  ],
  ...['[null]', '{}', '{"__proto__":{"a":1}}', '{"constructor":{"prototype":1}}', '{"object":"list","data":[null]}'],
  ...['{"object":"list","data":{}}', '{"id":null}', '[{"id":1}]', '{"toString":1}', '{"":{"":""}}', '{"length":-1}'],
  ...['"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udfff\\ud800"', '"1e100000000"', '"NaN"', '"2026-13-45"', '"%"'],
  ...[`"${'9'.repeat(5000)}"`, `"evt_${'x'.repeat(500)}"`, `${'['.repeat(50)}${']'.repeat(50)}`],
]
const recorded: Json[] = cases.flatMap(([, events]) => events as Json[])

/** Where a value can be, of all depths. */
const listPaths = (value: Json, path: string[] = []): string[][] =>
  value !== null && typeof value === 'object'
    ? [path, ...Object.keys(value).flatMap((key) => listPaths(value[key], [...path, key]))]
    : [path]

/** The event as JSON, with `text` in the place of what is at the path; `key`: under this name there. */
function replaceAt(event: Json, path: readonly string[], text: string, key = ''): string {
  const copy = structuredClone(event)
  let holder = copy
  for (const step of path.slice(0, -1)) holder = holder[step]
  const mark = '\u0001odd\u0001'
  if (path.length === 0) return text
  holder[present(path.at(-1))] = mark
  return JSON.stringify(copy).replace(JSON.stringify(mark), () => (key === '' ? text : `{"${key}":${text}}`))
}

async function dryRun(eventText: string) {
  const body = `{"clientId":"${way.clientId}","sourceId":"${way.sourceId}","event":${eventText}}`
  // A key has its limit of requests; whoever is beyond it comes again.
  return eventually(async () => {
    const response = await fetch(`${gateway.url}/v1/mappings/dry-run`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
      body,
    })
    const text = await response.text()
    return response.status !== 429 && { status: response.status, text }
  })
}

const expectNoFailure = async (texts: readonly string[]) => {
  for (const text of texts) {
    const { status, text: said } = await dryRun(text)
    expect(status < 500 || `${said} to ${text.slice(0, 300)}`).toBe(true)
  }
}

test('an event of any odd value, or with one in any of its own fields', async () => {
  const event = present(recorded.find(({ type }) => type === 'invoice.paid'))
  const paths = [[], ...Object.keys(event).map((key) => [key]), ['data', 'object'], ['data', 'previous_attributes']]
  // Each value in every third place, since a key may send 50 requests a second.
  for (const [at, path] of paths.entries())
    await expectNoFailure(ODD.filter((_, one) => (one + at) % 3 === 0).map((text) => replaceAt(event, path, text)))
})

test('events of all kinds with odd values in fields of all depths', async () => {
  const random = seededRandom(process.env.FLO_FUZZ_SEED ?? 'odd')
  const pick = <T>(list: readonly T[]): T => present(list[random.below(list.length)])
  const texts = Array.from({ length: 120 }, () => {
    const event = pick(recorded)
    return replaceAt(event, pick(listPaths(event)), pick(ODD), pick(['', '', '__proto__', 'id']))
  })
  await expectNoFailure(texts)
})
