import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Contract, wireExample } from '../../src/contracts/contract.ts'
import { flo } from '../../src/contracts/flo.ts'
import { florentin } from '../../src/contracts/florentin.ts'
import { afterwards } from '../support/afterwards.ts'
import { compiled } from '../support/compiled.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { signedFlo, signedFlorentin } from '../support/signed-delivery.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const sdk = join(root, 'sdk')
const bin = join(root, 'node_modules', '.bin')
const examples = globSync('examples/*.ts', { cwd: sdk })

/** Runs a program to its end; what it wrote to standard output. Rejects when it fails, with what it said. */
async function outputOf(command: string, args: string[], cwd: string, extra: Record<string, string> = {}) {
  // As npm run would have it: the project's programs first. Nothing is fetched.
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, npm_config_offline: 'true', ...extra }
  const { stdout } = await promisify(execFile)(command, args, { cwd, env }).catch((error) => {
    throw new Error(`${command} ${args.join(' ')}\n${error.stdout}${error.stderr}`, { cause: error })
  })
  return stdout
}

/** A project that has installed the packed package, with nothing else but what stands in `beside`, from this project. */
let project: string
let packed: { filename: string; files: { path: string }[] }

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'flo-gateway-receiver-'))
  ;[packed] = JSON.parse(await outputOf('npm', ['pack', '--json', '--pack-destination', project], sdk))
  await writeFile(join(project, 'package.json'), '{ "type": "module", "private": true }')
  await outputOf('npm', ['install', '--no-audit', '--no-fund', `./${packed.filename}`], project)
  const modules = join(project, 'node_modules')
  await mkdir(join(modules, '@types'))
  for (const beside of ['express', 'pg', '@types/express', '@types/node', '@types/pg'])
    await symlink(join(root, 'node_modules', beside), join(modules, beside))
  await cp(join(sdk, 'examples'), join(project, 'examples'), { recursive: true })
})
afterAll(() => rm(project, { recursive: true }))

test('the package holds what package.json promises, built, and asks for nothing', async () => {
  const installed = join(project, 'node_modules', 'flo-gateway-receiver')
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  expect(Object.keys(manifest).filter((key) => /dependencies/i.test(key))).toEqual([])
  expect(Object.keys(manifest.scripts)).toEqual(['build', 'prepack'])
  const entries = Object.values<string | { types: string; default: string }>(manifest.exports).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : [entry.types, entry.default],
  )
  expect(entries.filter((entry) => !existsSync(join(installed, entry)))).toEqual([])
  expect(
    packed.files
      .map(({ path }) => path)
      .filter((path) => !path.startsWith('dist/'))
      .toSorted(),
  ).toEqual(['LICENSE', 'README.md', 'package.json'])
  expect(readFileSync(join(installed, 'LICENSE'), 'utf8')).toBe(readFileSync(join(root, 'LICENSE'), 'utf8'))
  const written = (await readdir(join(installed, 'dist'))).map((name) =>
    readFileSync(join(installed, 'dist', name), 'utf8'),
  )
  const imported = written.flatMap((text) =>
    [...text.matchAll(/(?:from|import\() ?['"]([^'"]+)/g)].map(([, from]) => from),
  )
  expect(imported.length).toBeGreaterThan(20)
  expect(imported.filter((from) => !/^\.\/[a-z-]+\.js$/.test(present(from)))).toEqual([])
})

test('plain JavaScript uses it, imported and required', async () => {
  const { body, headers, secret } = signedFlo({ at: new Date() })
  const verify = `verifyFlo(${JSON.stringify({ body, headers, secret })}).then(({ event }) => console.log(event.eventType))`
  await writeFile(join(project, 'plain.mjs'), `import { verifyFlo } from 'flo-gateway-receiver'\n${verify}`)
  await writeFile(join(project, 'plain.cjs'), `const { verifyFlo } = require('flo-gateway-receiver')\n${verify}`)
  for (const file of ['plain.mjs', 'plain.cjs'])
    expect(await outputOf(process.execPath, [file], project)).toBe('subscription.renewed\n')
})

/** The examples of every event type of a contract, each as a constant of the type that the SDK promises for it. */
const typedEvents = (contract: Contract, events: string) =>
  contract.eventTypes
    .map(
      (type, at) =>
        `export const ${events}${at}: ${events}['${type}'] = ${JSON.stringify(wireExample(contract, type))}`,
    )
    .join('\n')

test('a strict TypeScript project takes its types: the examples compile, and each event of the contracts is what it says', async () => {
  await writeFile(
    join(project, 'events.ts'),
    [
      `import type { FloEvent, FloEvents, FlorentinEvent, FlorentinEvents } from 'flo-gateway-receiver'`,
      typedEvents(flo, 'FloEvents'),
      typedEvents(florentin, 'FlorentinEvents'),
      'export const one: FloEvent = FloEvents0',
      'export const other: FlorentinEvent = FlorentinEvents0',
      '// @ts-expect-error an event whose resource is missing',
      `export const without: FloEvents['item.purchased'] = (({ item, ...rest }) => rest)(FloEvents8)`,
    ].join('\n'),
  )
  const compileOptions = (lib: string[], types: string[], files: string[]) => ({
    compilerOptions: {
      target: 'es2022',
      lib: ['es2022', ...lib],
      types,
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
    },
    files,
  })
  // On Node, and where there is a browser's library instead, as for Workers.
  for (const [name, config] of Object.entries({
    node: compileOptions([], ['node'], ['events.ts', ...examples]),
    worker: compileOptions(['dom'], [], ['events.ts', 'examples/worker.ts']),
  })) {
    await writeFile(join(project, `tsconfig.${name}.json`), JSON.stringify(config))
    await outputOf('tsc', ['-p', `tsconfig.${name}.json`], project)
  }
})

test('what the READMEs show are the examples, word for word', () => {
  const shownExamples = (readme: string) =>
    [...readFileSync(readme, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text]) => text)
  const files = examples.map((file) => readFileSync(join(sdk, file), 'utf8'))
  expect(shownExamples(join(sdk, 'README.md')).toSorted()).toEqual(files.toSorted())
  expect(files).toEqual(expect.arrayContaining(shownExamples(join(root, 'README.md'))))
  expect(shownExamples(join(root, 'README.md'))).toHaveLength(1)
})

/** Starts a program of the project as a receiver; resolves when it answers. It ends with the test. */
async function startExample(args: string[], env: Record<string, string | undefined>) {
  const port = await freePort()
  const child = spawn(process.execPath, args, {
    cwd: project,
    env: { ...process.env, ...compiled, ...env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { text: '' }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said.text += chunk))
  const closed = once(child, 'close')
  afterwards(async () => {
    child.kill()
    await closed
  })
  const url = `http://127.0.0.1:${port}/webhooks/flo`
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`${args.join(' ')} ended: ${said.text}`)
    return (await fetch(url)).status > 0
  })
  return {
    said,
    post: async ({ body, headers }: { body: string; headers: Record<string, string> }) =>
      (await fetch(url, { method: 'POST', headers, body })).status,
  }
}

test.each([
  ['express.ts', 'user_123 has Pro (9f6f8b54-8e2d-4f15-8c8a-d7b6d9f41a00)\n'],
  ['node.ts', 'subscription.created at attempt 1\n'],
])('the example %s accepts what the gateway signs, and nothing else', async (file, expected) => {
  const { secret, ...delivery } = signedFlo({ eventType: 'subscription.created', at: new Date() })
  const { said, post } = await startExample([`examples/${file}`], { FLO_SECRET: secret })
  said.text = ''
  expect(await post(delivery)).toBe(204)
  await eventually(() => said.text === expected)
  expect(await post({ ...delivery, body: `${delivery.body} ` })).toBe(400)
  await eventually(() => said.text.includes('Webhook refused (body_altered): The secret is right'))
})

/** Serves an example as its framework would: `answer` makes a function from Request to Response of the module. */
const frameworkStub = (file: string, answer: string) => `
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import * as example from './examples/${file}'

const answer = ${answer}
createServer(async (incoming, outgoing) => {
  const { method, headers } = incoming
  const body = method === 'GET' ? {} : { body: Readable.toWeb(incoming), duplex: 'half' }
  const response = await answer(new Request('http://receiver' + incoming.url, { method, headers, ...body }))
  outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(await response.text())
}).listen(process.env.PORT)
`

test.each([
  ['next.ts', 'example.POST', signedFlo, 'user_123 goes on until 2026-05-10T00:00:00.000Z\n'],
  [
    'worker.ts',
    '(request) => example.default.fetch(request, process.env)',
    signedFlo,
    '9f6f8b54-8e2d-4f15-8c8a-d7b6d9f41a00\n',
  ],
  [
    'hono.ts',
    '(raw) => example.receiveFlorentin({ req: { raw } })',
    signedFlorentin,
    'INV-0042: 4900 eur, in minor units\n',
  ],
] as const)(
  'the example %s accepts what the gateway signs, and nothing else',
  async (file, answer, signed, expected) => {
    const { secret, ...delivery } = signed({ at: new Date() })
    await writeFile(join(project, `serve-${file}`), frameworkStub(file, answer))
    const { said, post } = await startExample([`serve-${file}`], { FLO_SECRET: secret, FLORENTIN_SECRET: secret })
    said.text = ''
    expect(await post(delivery)).toBe(204)
    await eventually(() => said.text === expected)
    expect(await post({ ...delivery, body: delivery.body.replace('user', 'User').replace('4900', '4901') })).toBe(400)
    await eventually(() => said.text.includes('Webhook refused (signature_invalid): No signature'))
  },
)

test('the example once.ts does its work once, however often a delivery comes', async () => {
  const { url, db } = await freshDatabase()
  const { secret, ...delivery } = signedFlo({ eventType: 'item.purchased', at: new Date() })
  const { post } = await startExample(['examples/once.ts'], { FLO_SECRET: secret, DATABASE_URL: url })
  expect(await Promise.all([post(delivery), post(delivery), post(delivery)])).toEqual([204, 204, 204])
  expect(await post(delivery)).toBe(204)
  expect((await db.query('select * from credits')).rows).toEqual([{ client_user_id: 'user_123', credits: 1 }])
})

test('the example verify.ts takes either of two secrets, and says why it refuses', async () => {
  const { secret, ...delivery } = signedFlo({ eventType: 'invoice.overdue', at: new Date() })
  await writeFile(
    join(project, 'verify-one.ts'),
    `import { receive } from './examples/verify.ts'
     const { body, headers } = ${JSON.stringify(delivery)}
     console.log(await receive(body, new Headers(headers)))`,
  )
  const verifyOutput = (env: Record<string, string>) => outputOf(process.execPath, ['verify-one.ts'], project, env)
  const expected = 'user@example.com owes 29\n200\n'
  expect(await verifyOutput({ FLO_SECRET: secret })).toBe(expected)
  expect(await verifyOutput({ FLO_SECRET: flo.newSecret(), FLO_SECRET_BEFORE: secret })).toBe(expected)
  expect(await verifyOutput({ FLO_SECRET: flo.newSecret() })).toBe('400\n')
})

test('the example publish.ts publishes', async () => {
  const gateway = await startTestGateway()
  const { id: clientId } = (await gateway.api('POST', '/v1/clients', { name: 'Acme' })).body.data
  const { key } = (await gateway.api('POST', '/v1/api-keys', { clientId, scopes: ['write'] })).body.data
  const exampleOutput = () =>
    outputOf(process.execPath, ['examples/publish.ts'], project, { FLO_GATEWAY: gateway.url, FLO_API_KEY: key })
  expect(await exampleOutput()).toBe('user.login is received\n2 members told\n')
  await exampleOutput()
  const { rows } = await gateway.db.query('select type from source_events order by type')
  // The login has a key of its own, so the second run published it again and it is there once.
  expect(rows.map(({ type }) => type)).toEqual([...Array(4).fill('team_member.added'), 'user.login'])
})
