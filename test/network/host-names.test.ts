import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createHostNames, GATEWAY_LOOKUPS, lookupFor, NameLookupError } from '../../src/network/names/host-names.ts'
import { limitLookups } from '../../src/network/names/lookup-limits.ts'
import { watchSystemFiles } from '../../src/network/names/system-files.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { type NameBehaviour, startNameServer } from '../support/name-server.ts'
import { runSideBySide } from '../support/side-by-side.ts'

/** The machine's files, as a container may have them. */
async function systemFiles({ hosts = '', resolvConf = 'search\n', nsswitch = 'hosts: files dns\n' } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'flo-names-'))
  const paths = { hosts: join(folder, 'hosts'), resolvConf: join(folder, 'resolv'), nsswitch: join(folder, 'nsswitch') }
  await writeFile(paths.hosts, hosts)
  await writeFile(paths.resolvConf, resolvConf)
  await writeFile(paths.nsswitch, nsswitch)
  return paths
}

async function startNames(names: Record<string, NameBehaviour>, files: Parameters<typeof systemFiles>[0] = {}) {
  const server = await startNameServer(names)
  return { ...createHostNames({ servers: [server.address], files: await systemFiles(files) }), server }
}

const v4 = (address: string) => ({ address, family: 4 })
const v6 = (address: string) => ({ address, family: 6 })
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'found',
    (error) => {
      expect(error).toBeInstanceOf(NameLookupError)
      return error.code
    },
  )

/** Names that never answer: however many there are, they cost nobody else anything. */
const silentNames = {
  'cost nobody else anything, however many there are': async () => {
    const dead = Array.from({ length: 200 }, (_, at) => `dead-${at}.test`)
    const names = await startNames({
      ...Object.fromEntries(dead.map((name) => [name, { silent: true }])),
      'well.test': { addresses: ['192.0.2.1'] },
      'new.test': { addresses: ['192.0.2.2'] },
    })
    const ended: string[] = []
    const outcomes = dead.map((name) => codeOf(names.resolveHost(name, 'a')).finally(() => ended.push(name)))
    expect(await names.resolveHost('well.test', 'b')).toEqual([v4('192.0.2.1')])
    expect(ended).toEqual([])
    // As many as one client may have under way, at most, and the one that is well.
    expect(new Set(names.server.asked.map(({ name }) => name)).size).toBeLessThanOrEqual(24 + 64 + 1)
    expect([...new Set(await Promise.all(outcomes))].toSorted()).toEqual(['ETIMEOUT', 'FLO_LOOKUPS_BUSY'])
    // What was said is remembered, and the same client's next name has its turn.
    expect(await names.resolveHost('new.test', 'a')).toEqual([v4('192.0.2.2')])
  },
  'are found where they answer after four seconds, also by a server that has long answered fast': async () => {
    const fast = Array.from({ length: 12 }, (_, at) => `fast-${at}.test`)
    const names = await startNames({
      ...Object.fromEntries(fast.map((name) => [name, { addresses: ['192.0.2.1'] }])),
      'late.test': { addresses: ['192.0.2.4'], delayMs: 4_000 },
    })
    for (const name of fast) await names.resolveHost(name, 'a')
    expect(await names.resolveHost('late.test', 'a')).toEqual([v4('192.0.2.4')])
  },
  'share the sockets of their servers, whatever else is answered meanwhile': async () => {
    const dead = Array.from({ length: 24 }, (_, at) => `dead-${at}.test`)
    const names = await startNames(Object.fromEntries(dead.map((name) => [name, { silent: true }])))
    const outcomes = dead.map((name) => codeOf(names.resolveHost(name, 'a')))
    await eventually(() => expect(names.server.asked.map(({ name }) => name)).toEqual(expect.arrayContaining(dead)))
    expect(new Set(names.server.asked.map(({ port }) => port)).size).toBeLessThan(dead.length / 2)
    await Promise.all(outcomes)
  },
  'of one family do not hold up the other': async () => {
    for (const silent of ['A', 'AAAA'] as const) {
      const names = await startNames({ 'half.test': { addresses: ['192.0.2.5', '2001:db8::5'], silent } })
      expect(await names.resolveHost('half.test', 'a')).toEqual([silent === 'A' ? v6('2001:db8::5') : v4('192.0.2.5')])
    }
  },
}

describe('names that never answer, or late', () => {
  test('cost nobody else anything, are found where they answer late, share sockets, and hold up no other family', () =>
    runSideBySide(silentNames))

  test('begin in turn, and those known to be slow leave room', async () => {
    const begun: string[] = []
    const ends: (() => void)[] = []
    const { run } = limitLookups({
      fresh: { perClient: 3, total: 4 },
      slow: { perClient: 2, total: 4 },
      slowAfterMs: 60_000,
      waiting: 2,
    })
    const ask = (client: string, standing: 'found' | 'unknown' | 'slow') =>
      run(client, standing, () => {
        begun.push(`${client} ${standing}`)
        return new Promise<void>((resolve) => ends.push(resolve))
      })
    ask('a', 'slow')
    ask('a', 'slow')
    ask('a', 'slow')
    expect(ask('a', 'slow')).toBeNull()
    ask('b', 'slow')
    for (const client of ['a', 'a', 'b']) ask(client, 'unknown')
    ask('b', 'found')
    ask('c', 'found')
    expect(begun).toEqual(['a slow', 'b slow', 'a unknown', 'a unknown', 'b unknown', 'b found'])
    // One that ends makes room for its own kind.
    ends[5]?.()
    await eventually(() => begun.length === 7)
    expect(begun.at(-1)).toBe('c found')
    ends[0]?.()
    await eventually(() => begun.length === 8)
    expect(begun.at(-1)).toBe('a slow')
  })

  test('one that takes long makes room, but no more than there is', async () => {
    const begun: string[] = []
    const share = { perClient: 2, total: 2 }
    const { run } = limitLookups({ fresh: share, slow: share, slowAfterMs: 5, waiting: 10 })
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f'])
      run('client', 'found', () => {
        begun.push(name)
        return new Promise<void>(() => {})
      })
    expect(begun).toEqual(['a', 'b'])
    await eventually(() => begun.length === 4)
    await delay(50)
    expect(begun).toEqual(['a', 'b', 'c', 'd'])
  })
})

describe('what a name server says', () => {
  test.each([
    ['that the name does not exist', { code: 3 }, 'ENOTFOUND'],
    ['that it has no address', {}, 'ENOTFOUND'],
    ['that it failed', { code: 2 }, 'ESERVFAIL'],
    ['that it refuses', { code: 5 }, 'EREFUSED'],
  ])('%s', async (_, behaviour, code) => {
    const names = await startNames({ 'odd.test': behaviour })
    expect(await codeOf(names.resolveHost('odd.test', 'a'))).toBe(code)
  })

  test('in an answer too long for UDP is asked for over TCP', async () => {
    const names = await startNames({ 'long.test': { addresses: ['192.0.2.7'], truncated: true } })
    expect(await names.resolveHost('long.test', 'a')).toEqual([v4('192.0.2.7')])
    expect(names.server.asked.map(({ over }) => over)).toContain('tcp')
  })

  test('nothing, since no server can be reached: our own lack, not the fault of the name, and not remembered', async () => {
    const files = await systemFiles()
    const names = createHostNames({ servers: [`127.0.0.1:${await freePort()}`], files })
    const error = await names.resolveHost('well.test', 'a').catch((caught) => caught)
    expect(error).toMatchObject({ code: 'ECONNREFUSED', isOwnLack: true })
  })
})

describe('name servers that know no answer for any name are our own lack, not the fault of the names', () => {
  const ownLack = { code: 'FLO_NO_NAME_SERVER', isOwnLack: true }
  const errorOf = (promise: Promise<unknown>) => promise.catch((error) => error)

  const speechless: Record<string, NameBehaviour> = {
    silent: { silent: true },
    'that fail, having lost their own servers': { code: 2 },
    'that refuse us': { code: 5 },
  }
  const cases = Object.entries(speechless).map(([name, behaviour]) => [
    name,
    async () => {
      const names = await startNames({ 'well.test': { addresses: ['192.0.2.1'], ttlSeconds: 0 } })
      await names.resolveHost('well.test', 'a')
      names.forgetHost('well.test')
      Object.assign(names.server.names, { '*': behaviour, 'well.test': behaviour })
      const errors = ['well.test', 'other.test', 'well.test'].map((name) => errorOf(names.resolveHost(name, 'a')))
      for (const error of await Promise.all(errors)) expect(error).toMatchObject(ownLack)
      names.server.names['well.test'] = { addresses: ['192.0.2.2'] }
      expect(await names.resolveHost('well.test', 'a')).toEqual([v4('192.0.2.2')])
    },
  ])
  test('silent ones, those that fail and those that refuse; and once they answer again, the name is found', () =>
    runSideBySide(Object.fromEntries(cases)))

  const sayingOneThing: Record<string, Record<string, NameBehaviour>> = {
    'the root': { '*': { silent: true }, '': {} },
    'the name that was found last': {
      '*': { silent: true },
      'well.test': { addresses: ['192.0.2.1'], ttlSeconds: 0 },
    },
    'that the root is none of theirs': { '*': { silent: true }, '': { code: 3 } },
  }
  const oneThingCases = Object.entries(sayingOneThing).map(([said, names]) => [
    said,
    async () => {
      const { resolveHost, explainDelay } = await startNames(names)
      await errorOf(resolveHost('well.test', 'a'))
      const ended = errorOf(resolveHost('dead.test', 'a'))
      await eventually(() => expect(explainDelay('dead.test').code).toBe('ETIMEOUT'))
      expect(await ended).toMatchObject({ code: 'ETIMEOUT', isOwnLack: false })
    },
  ])
  test('but those that say one thing, the root, the name that was found last, or that the root is none of theirs, are not', () =>
    runSideBySide(Object.fromEntries(oneThingCases)))

  test('also where a near server goes on knowing the names of this machine’s own domains', async () => {
    const names = await startNames(
      { '*': { code: 2 }, 'svc.cluster.local': { addresses: ['192.0.2.1'], ttlSeconds: 0 } },
      { resolvConf: 'search cluster.local\noptions ndots:5\n' },
    )
    for (const name of ['hooks.test.cluster.local', 'dead.cluster.local']) names.server.names[name] = { code: 3 }
    const [inner, outer] = [names.resolveHost('svc', 'a'), errorOf(names.resolveHost('hooks.test', 'a'))]
    expect(await inner).toEqual([v4('192.0.2.1')])
    expect(await outer).toMatchObject(ownLack)
    names.server.names['ill.cluster.local'] = { code: 2 }
    expect(await errorOf(names.resolveHost('ill.cluster.local', 'a'))).toMatchObject({ code: 'ESERVFAIL' })
  })
})

describe('what was said is remembered for a short time', () => {
  test('found, absent and failed, for all clients; and forgotten on demand', async () => {
    const names = await startNames({
      'well.test': { addresses: ['192.0.2.1'] },
      'ill.test': { code: 2 },
    })
    for (const name of ['well.test', 'ill.test', 'nowhere.test']) {
      const first = await codeOf(names.resolveHost(name, 'a'))
      const asked = names.server.asked.length
      expect(await codeOf(names.resolveHost(name.toUpperCase(), 'b'))).toBe(first)
      expect(names.server.asked).toHaveLength(asked)
    }
    names.server.names['well.test'] = { addresses: ['192.0.2.2'] }
    names.forgetHost('well.test')
    expect(await names.resolveHost('well.test', 'a')).toEqual([v4('192.0.2.2')])
  })

  test('no longer than the record lives', async () => {
    const names = await startNames({ 'moving.test': { addresses: ['192.0.2.1'], ttlSeconds: 0 } })
    await names.resolveHost('moving.test', 'a')
    names.server.names['moving.test'] = { addresses: ['192.0.2.2'] }
    await eventually(async () => expect(await names.resolveHost('moving.test', 'a')).toEqual([v4('192.0.2.2')]))
  })

  test('who asks for a name that is being looked up waits for that look-up', async () => {
    const names = await startNames({ 'well.test': { addresses: ['192.0.2.1'], delayMs: 100 } })
    await Promise.all(['a', 'b', 'a', GATEWAY_LOOKUPS].map((client) => names.resolveHost('well.test', client)))
    expect(names.server.asked).toHaveLength(2)
  })
})

describe('names of the machine resolve as ever', () => {
  test('those of the hosts file, without asking anybody', async () => {
    const hosts = '127.0.0.9 one.test Two # three\n::1 two\n# 10.0.0.1 four\nnonsense five\n'
    const names = await startNames({}, { hosts })
    expect(await names.resolveHost('ONE.test', 'a')).toEqual([v4('127.0.0.9')])
    expect(await names.resolveHost('two', 'a')).toEqual([v4('127.0.0.9'), v6('::1')])
    expect(names.server.asked).toEqual([])
    expect(await codeOf(names.resolveHost('four', 'a'))).toBe('ENOTFOUND')
  })

  test('those of the search domains, as Kubernetes and compose have them', async () => {
    const resolvConf = 'nameserver 10.0.0.10\nsearch ns.svc.cluster.test cluster.test\noptions ndots:5 timeout:1\n'
    const names = await startNames(
      { 'hooks.ns.svc.cluster.test': { addresses: ['10.1.2.3'] }, 'example.test': { addresses: ['192.0.2.1'] } },
      { resolvConf },
    )
    expect(await names.resolveHost('hooks', 'a')).toEqual([v4('10.1.2.3')])
    expect(await names.resolveHost('example.test', 'a')).toEqual([v4('192.0.2.1')])
    const asked = names.server.asked.filter(({ type }) => type === 'A').map(({ name }) => name)
    expect(asked.slice(1)).toEqual(['example.test.ns.svc.cluster.test', 'example.test.cluster.test', 'example.test'])
  })

  test.each([
    ['a.test', 'search x y\n', ['a.test', 'a.test.x', 'a.test.y']],
    ['a', 'search x y\n', ['a.x', 'a.y', 'a']],
    ['a.test.', 'search x y\n', ['a.test']],
    ['a.test', 'domain z\noptions ndots:2\n', ['a.test.z', 'a.test']],
    ['a.test', 'search x\nsearch .y.\n; search z\n', ['a.test', 'a.test.y']],
    ['a', 'search\n', ['a']],
  ])('%s with %j is asked for as %j', async (name, resolvConf, expected) => {
    expect(watchSystemFiles(await systemFiles({ resolvConf })).namesToAsk(name)).toEqual(expected)
  })

  test('a name that a search domain makes too long to exist is absent, not in trouble', async () => {
    const long = ['a', 'b', 'c'].map((letter) => letter.repeat(63)).join('.')
    const names = await startNames({}, { resolvConf: `search ${'d'.repeat(60)}.${'e'.repeat(30)}.test\n` })
    expect(await codeOf(names.resolveHost(long, 'a'))).toBe('ENOTFOUND')
  })

  test('a file that changes is read again', async () => {
    const paths = await systemFiles({ resolvConf: 'search x\n' })
    let at = 0
    const files = watchSystemFiles(paths, () => at)
    expect(files.namesToAsk('a')).toEqual(['a.x', 'a'])
    const before = files.resolvConfVersion()
    await writeFile(paths.resolvConf, 'search longer\n')
    expect(files.namesToAsk('a')).toEqual(['a.x', 'a'])
    at += 2_000
    expect(files.namesToAsk('a')).toEqual(['a.longer', 'a'])
    expect(files.resolvConfVersion()).toBeGreaterThan(before)
  })

  test.each([
    ['hosts: files dns\n', false],
    ['passwd: files systemd\n', false],
    ['hosts: files mdns4_minimal [NOTFOUND=return] dns\n', true],
    ['hosts:\tfiles resolve [!UNAVAIL=return] dns # x\n', true],
  ])('the system is asked as well only where it has other sources: %j', async (nsswitch, expected) => {
    if (process.platform !== 'linux') return
    expect(watchSystemFiles(await systemFiles({ nsswitch })).hasOtherSources()).toBe(expected)
  })
})

test('the lookup of a connection gives what it is asked for', async () => {
  const names = await startNames({ 'both.test': { addresses: ['192.0.2.1', '2001:db8::1'] } })
  const lookup = lookupFor(names, GATEWAY_LOOKUPS)
  const ask = (options: { all?: boolean; family?: number }) =>
    new Promise((resolve) => lookup('both.test', options, (error, address) => resolve(error ?? address)))
  expect(await ask({ all: true })).toHaveLength(2)
  expect(await ask({ family: 6 })).toBe('2001:db8::1')
  expect(await ask({ family: 4 })).toBe('192.0.2.1')
})
