import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { storedKinds } from '../../mappings/stored-objects.ts'
import { wireExample } from '../../src/contracts/contract.ts'
import { flo } from '../../src/contracts/flo.ts'
import { appEvents } from '../../src/domain/app-events.ts'
import { afterwards } from '../support/afterwards.ts'
import { compiled } from '../support/compiled.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')

const section = (heading: string) => present(readme.split(/^## /m).find((one) => one.startsWith(heading)))

/** The fenced blocks of one language under one heading. */
const blocks = (heading: string, language: string) =>
  [...section(heading).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) =>
    present(text),
  )

/** A shell in the project's folder, or a program; what it prints is gathered in `said`. */
function run(command: string, args: string[], env: Record<string, string> = {}) {
  // In a group of its own, so that what the shell leaves in the background ends with it.
  const child = spawn(command, args, { cwd: root, env: { ...process.env, ...compiled, ...env }, detached: true })
  const said = { text: '' }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said.text += chunk))
  const closed = once(child, 'close')
  afterwards(async () => {
    try {
      process.kill(-present(child.pid), 'SIGTERM')
    } catch {
      // It has ended by itself.
    }
    await closed
  })
  return { child, said }
}

test('the quick start works word for word', async () => {
  const [start, ...steps] = blocks('From nothing', 'sh')
  const [port, receiverPort] = [await freePort(), await freePort()]
  // Only the ports are others, since somebody may listen on those of the text.
  const here = (text: string) =>
    text.replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`).replaceAll('127.0.0.1:4242', `127.0.0.1:${receiverPort}`)

  const gateway = run('bash', ['-c', present(start)], {
    PORT: String(port),
    FLO_DATA_DIR: await temporaryFolder(),
    LOG_LEVEL: 'warn',
  })
  await eventually(() => gateway.said.text.includes(`listens on http://127.0.0.1:${port}`), { timeoutMs: 60_000 })

  const terminal = run('bash', ['-eu'], { RECEIVER_PORT: String(receiverPort) })
  const type = async (text: string, expected: string | RegExp = '') => {
    const from = terminal.said.text.length
    terminal.child.stdin.write(here(text))
    await eventually(() => {
      expect(terminal.said.text.slice(from)).toMatch(expected)
      return true
    })
    return terminal.said.text.slice(from)
  }
  const [prepare, source, user, endpoint, send, look] = steps
  await type(present(prepare))
  await type(present(source), `Stripe would send to http://127.0.0.1:${port}/webhooks/stripe/`)
  await type(present(user), '"clientUserId":"user_123"')
  await type(present(endpoint), 'Waiting for deliveries')
  await type(present(send), 'subscription.created (attempt 1): verified by stripe, verified by standardwebhooks')
  // The delivery may be there before curl has printed the answer, and its first line before the event.
  for (const said of ['{"received":true,"duplicate":false}', '"clientUserId": "user_123"'])
    await eventually(() => terminal.said.text.includes(said))
  // A person is slower than the record of the attempt.
  await eventually(async () => /"normalized".*"delivered"/.test(await type(present(look), /nextCursor.*nextCursor/)))
  await type(present(send), '{"received":true,"duplicate":true}')
  expect(steps).toHaveLength(6)
})

test.each(blocks('Receiving events', 'js').map((text, at) => [at + 1, text] as const))(
  'receiver %i of the README accepts what the gateway signs, and nothing else',
  async (_, text) => {
    // Beside the packages that it imports.
    const cache = join(root, 'node_modules', '.cache')
    await mkdir(cache, { recursive: true })
    const folder = await mkdtemp(join(cache, 'readme-'))
    afterwards(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'receiver.mjs'), text)
    const [secret, port] = [flo.newSecret(), await freePort()]
    const { said } = run(process.execPath, [join(folder, 'receiver.mjs')], { FLO_SECRET: secret, PORT: String(port) })

    const deliveryId = '9f6f8b54-8e2d-4f15-8c8a-d7b6d9f41a00'
    const body = JSON.stringify(wireExample(flo, 'subscription.renewed'))
    const post = async (secrets: string[]) => {
      const headers = flo.headers({
        deliveryId,
        eventType: 'subscription.renewed',
        attempt: 1,
        wireBody: body,
        secrets,
        at: new Date(),
      })
      return (await fetch(`http://127.0.0.1:${port}`, { method: 'POST', headers, body })).status
    }
    expect(await eventually(() => post([secret]))).toBe(200)
    expect(await post([flo.newSecret()])).toBe(400)
    await eventually(() => said.text === `subscription.renewed ${deliveryId}\n`)
  },
)

test('the events to enable in Stripe are all that a mapping reads or that are kept for one', () => {
  const [, listed = ''] = section('Connecting Stripe').split('```')
  const enabled = new Set(listed.match(/\b[a-z_]+(\.[a-z_]+)+\b/g))
  // Announcements of nothing new, and twins of others.
  const needless = [
    'invoice.payment_succeeded',
    'invoice.sent',
    'invoice.upcoming',
    'invoice.will_be_due',
    'checkout.session.expired',
  ]
  const read = Object.values(mappings).flatMap((list) => list.flatMap(({ on }) => on.types as string[]))
  // What the application publishes does not come from Stripe.
  const ofStripe = read.filter((type) => !Object.hasOwn(appEvents, type))
  expect(ofStripe.filter((type) => !enabled.has(type) && !needless.includes(type))).toEqual([])
  const families = new Set(
    [...enabled].map((type) => type.split('.').slice(0, -1).join('.').replace('customer.subscription', 'subscription')),
  )
  expect(storedKinds.filter((kind) => !families.has(kind) && kind !== 'plan')).toEqual([])
})

test('every file that a document points to is there', () => {
  const documents = [
    'README.md',
    'sdk/README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    ...globSync('docs/**/*.md', { cwd: root }),
  ]
  const missing = documents.flatMap((document) =>
    [...readFileSync(join(root, document), 'utf8').matchAll(/\]\(([^)#]+)[^)]*\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(root, dirname(document), target)))
      .map((target) => `${document} -> ${target}`),
  )
  expect(missing).toEqual([])
})

test('every test that docs/reliability.md names is there', () => {
  const page = readFileSync(join(root, 'docs/reliability.md'), 'utf8')
  const named = [...page.matchAll(/`(test\/[^`]+)`/g)].map(([, path = '']) => path)
  expect(named.length).toBeGreaterThan(30)
  expect(named.filter((path) => globSync(path, { cwd: root }).length === 0)).toEqual([])
})
