import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseEnv } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Environment, readConfig, unknownSettings } from '../src/config.ts'

const example = parseEnv(readFileSync(new URL('../.env.example', import.meta.url), 'utf8'))
const KEYS = `k1:${Buffer.alloc(32).toString('base64')}`

test('.env.example lists exactly the variables that are read, with their defaults', () => {
  expect(Object.keys(example).toSorted()).toEqual(Object.keys(Environment.shape).toSorted())
  expect(readConfig(example)).toEqual(readConfig({}))
})

test('a value of each variable arrives in the configuration', () => {
  const config = readConfig({
    PORT: '0',
    HOST: '::1',
    DATABASE_URL: 'postgresql://flo@db/flo',
    LOG_LEVEL: 'debug',
    FLO_DATA_DIR: '/var/lib/flo',
    FLO_ADMIN_KEY: 'sixteen-or-more-',
    FLO_ENCRYPTION_KEYS: KEYS,
    FLO_ROLES: 'work, api',
    FLO_PUBLIC_URL: 'https://hooks.example.com/flo/',
    FLO_ALLOWED_SUBNETS: '10.0.0.0/8,fd00::/8',
    FLO_EGRESS_PROXY: 'http://us:secret@proxy.example:3128',
    FLO_EGRESS_NO_PROXY: '.internal, 10.0.0.0/8',
    FLO_HOLD_SECONDS: '2.5',
    FLO_HYDRATE_SECONDS: '5',
    FLO_STRIPE_API_BASE: 'http://127.0.0.1:12111',
    FLO_RETENTION_PAYLOAD_DAYS: '7',
    FLO_RETENTION_METADATA_DAYS: '30',
    FLO_CONTRACTS: './contracts/acme.ts',
    FLO_BACKLOG_SECONDS: '60',
    FLO_METRICS_TOKEN: 'sixteen-or-more-',
    FLO_OTLP_ENDPOINT: 'http://collector:4318',
    OTEL_SERVICE_NAME: 'flo-front',
    OTEL_TRACES_SAMPLER_ARG: '0.25',
  })
  expect(config).toMatchObject({
    port: 0,
    host: '::1',
    roles: new Set(['work', 'api']),
    publicUrl: 'https://hooks.example.com/flo',
    allowedSubnets: ['10.0.0.0/8', 'fd00::/8'],
    egressProxy: { url: 'http://us:secret@proxy.example:3128', exceptions: ['.internal', '10.0.0.0/8'] },
    holdSeconds: 2.5,
    hydrateSeconds: 5,
    stripeApiBase: 'http://127.0.0.1:12111',
    retentionDays: { payload: 7, metadata: 30 },
    contracts: ['./contracts/acme.ts'],
    backlogSeconds: 60,
    metricsToken: 'sixteen-or-more-',
    otlpEndpoint: 'http://collector:4318',
    serviceName: 'flo-front',
    tracedShare: 0.25,
  })
  expect(readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }).otlpEndpoint).toBe(
    'http://collector:4318',
  )
  expect(config.encryptionKeys).toMatchObject([{ id: 'k1' }])
})

test('FLO_PROCESSES is a number, or auto: a process for each core that the gateway may use', () => {
  expect(readConfig({}).processes).toBe(1)
  expect(readConfig({ FLO_PROCESSES: '3' }).processes).toBe(3)
  expect(readConfig({ FLO_PROCESSES: 'auto' }).processes).toBe(availableParallelism())
})

test('what looks like a setting and is none is told by name', () => {
  expect(unknownSettings({ FLO_DATA: './data', FLO_DATA_DIR: './data', PATH: '/bin' })).toEqual(['FLO_DATA'])
})

test('DATABASE_URL without FLO_ENCRYPTION_KEYS is refused, since a generated key would stay on one machine', () => {
  expect(() => readConfig({ DATABASE_URL: 'postgres://db/flo' })).toThrow(/1 problem:\n {2}FLO_ENCRYPTION_KEYS: /)
  expect(readConfig({ DATABASE_URL: 'postgres://db/flo', FLO_ENCRYPTION_KEYS: KEYS }).databaseUrl).toBeDefined()
})

test.each([
  ['PORT', '70000'],
  ['DATABASE_URL', 'mysql://db/flo'],
  ['FLO_ENCRYPTION_KEYS', 'k1:c2hvcnQ='],
  ['FLO_ROLES', 'deliver'],
  ['FLO_ROLES', ','],
  ['FLO_PROCESSES', '0'],
  ['FLO_PROCESSES', '1.5'],
  ['FLO_PROCESSES', 'all'],
  ['FLO_PROCESSES', '1000'],
  ['FLO_PUBLIC_URL', 'hooks.example.com'],
  ['FLO_ALLOWED_SUBNETS', '127.0.0.1'],
  ['FLO_EGRESS_PROXY', 'socks5://proxy.example'],
  ['FLO_EGRESS_PROXY', 'http://proxy.example/path'],
  ['FLO_EGRESS_NO_PROXY', 'http://inside'],
  ['FLO_HOLD_SECONDS', 'soon'],
  ['FLO_RETENTION_PAYLOAD_DAYS', '0'],
  ['FLO_RETENTION_METADATA_DAYS', '29'],
  ['FLO_STRIPE_API_BASE', 'https://proxy.example/stripe'],
  ['FLO_METRICS_TOKEN', 'short'],
  ['FLO_OTLP_ENDPOINT', 'collector:4318'],
  ['OTEL_TRACES_SAMPLER_ARG', '5'],
  ['PORT', '0x1F90'],
  ['PORT', '8080 # the default'],
  ['HOST', 'http://0.0.0.0'],
  ['HOST', '0.0.0.0/'],
  ['FLO_ROLES', 'receive work'],
  ['FLO_HOLD_SECONDS', '10%'],
  ['FLO_HOLD_SECONDS', '1e1'],
  ['FLO_PUBLIC_URL', 'https://hooks.example.com/flo?env=live'],
  ['FLO_PUBLIC_URL', 'https://hooks.example.com/?'],
  ['FLO_PUBLIC_URL', 'https://hooks.example.com/#hooks'],
  ['FLO_PUBLIC_URL', 'https://flo:secret@hooks.example.com'],
  ['FLO_PUBLIC_URL', 'https://hooks.example.com/a b'],
  ['FLO_PUBLIC_URL', 'https://hooks.example.com/100%'],
  ['FLO_PUBLIC_URL', 'https:hooks.example.com'],
  ['FLO_PUBLIC_URL', 'ftp://hooks.example.com'],
  ['FLO_EGRESS_PROXY', 'http://us:50%@proxy.example:3128'],
  ['FLO_EGRESS_PROXY', 'http://proxy.example:3128/?a=b'],
  ['FLO_OTLP_ENDPOINT', 'http://collector:4318/?key=1'],
  ['FLO_STRIPE_API_BASE', 'https://api.stripe.com/?a'],
  ['FLO_STRIPE_API_BASE', 'https://api.stripe.com;'],
  ['FLO_STRIPE_API_BASE', 'https://api.stripe.com,'],
  ['FLO_PUBLIC_URL', 'https://https://hooks.example.com'],
  ['FLO_PUBLIC_URL', 'https://hooks.example.com,https://two.example.com'],
  ['DATABASE_URL', 'postgres://db/flo?sslmode=on'],
  ['DATABASE_URL', 'postgres://db/flo?sslmode=allow'],
  ['DATABASE_URL', 'postgres://db/flo?sslmode='],
])('%s=%s is refused by name', (name, value) => {
  expect(() => readConfig({ FLO_ENCRYPTION_KEYS: KEYS, [name]: value })).toThrow(new RegExp(`^  ${name}: .+$`, 'm'))
})

const TOKENS = ['FLO_ADMIN_KEY', 'FLO_METRICS_TOKEN'] as const
const fieldOf = { FLO_ADMIN_KEY: 'adminKey', FLO_METRICS_TOKEN: 'metricsToken' } as const

describe.each(TOKENS)('%s is what a client can send, or refused by name', (name) => {
  const token = 'abcdefghijklmnop'

  test.each([' %', '% ', '%\n', '%\r\n', '\t%\n\n', '\uFEFF%', '\u00a0%'])(
    'white space around it is no part: %j',
    (form) => {
      expect(readConfig({ [name]: form.replace('%', token) })[fieldOf[name]]).toBe(token)
    },
  )

  test.each([
    ['a line break', 'abcdefgh\nijklmnop'],
    ['a carriage return', 'abcdefgh\r\nijklmnop'],
    ['a space', 'abcdefgh ijklmnop'],
    ['a tab', 'abcdefgh\tijklmnop'],
    ['NUL', 'abcdefgh\0ijklmnop'],
    ['a line with a comma', 'abcdefgh,\nijklmnop'],
    ['quotes around it', `"${token}"`],
    ['single quotes around it', `'${token}'`],
    ['a letter beyond ASCII', 'abcdefghijklmnopä'],
    ['nothing but white space', ' \n'],
    ['nothing but quotes', '""'],
    ['little', 'short'],
  ])('%s', (_, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`^  ${name}: must `, 'm'))
  })

  test.each(['abcdefgh%20ijklmnop', 'abcdefgh/ijklmnop/', 'abc"defghijklmnop', '=+-._~abcdefghijk'])(
    'signs are part of it: %s',
    (value) => expect(readConfig({ [name]: value })[fieldOf[name]]).toBe(value),
  )
})

describe('every setting', () => {
  const values: Record<string, string> = {
    ...Object.fromEntries(Object.entries(example).filter(([, value]) => value !== '')),
    DATABASE_URL: 'postgres://flo@db/flo',
    FLO_ENCRYPTION_KEYS: KEYS,
    FLO_PUBLIC_URL: 'https://hooks.example.com/flo',
    FLO_ALLOWED_SUBNETS: '10.0.0.0/8,fd00::/8',
    FLO_EGRESS_PROXY: 'http://us:secret@proxy.example:3128',
    FLO_EGRESS_NO_PROXY: '.internal,10.0.0.0/8',
    FLO_CONTRACTS: './contracts/acme.ts',
    FLO_TRUSTED_PROXIES: '10.0.0.0/8',
    FLO_NAME_SERVERS: '10.0.0.2,[2001:db8::2]:53',
    FLO_ADMIN_KEY: 'sixteen-or-more-',
    FLO_METRICS_TOKEN: 'sixteen-or-more-',
    FLO_OTLP_ENDPOINT: 'http://collector:4318',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
  }
  const names = Object.keys(Environment.shape)
  const expected = readConfig(values)

  test('has a value here', () => expect(Object.keys(values).toSorted()).toEqual(names.toSorted()))

  test.each(names)('%s: what a file, an editor or a shell leaves around it is trimmed', (name) => {
    for (const form of [' %', '% ', '%\n', '%\r\n', '\t%\t', '\uFEFF%'])
      expect(readConfig({ ...values, [name]: form.replace('%', () => values[name] ?? '') }), form).toEqual(expected)
  })

  test.each(names.filter((name) => !TOKENS.some((token) => token === name)))(
    '%s: quotes around it are no part',
    (name) => {
      for (const quote of [`"`, `'`])
        expect(readConfig({ ...values, [name]: `${quote}${values[name]}${quote}\n` })).toEqual(expected)
    },
  )

  test.each(names)('%s: a line break, a NUL or another control character within is refused by name', (name) => {
    const value = values[name] ?? ''
    for (const sign of ['\n', '\r\n', '\t', '\0', '\x1b'])
      expect(() => readConfig({ ...values, [name]: `${value}${sign}${value}` })).toThrow(
        new RegExp(`^  ${name}: `, 'm'),
      )
  })

  test.each(names)('%s: invisible characters are trimmed around it, and refused by name within', (name) => {
    const value = values[name] ?? ''
    for (const sign of ['\u200b', '\u200c', '\u200e', '\u2060', '\u00ad', '\ufeff']) {
      expect(readConfig({ ...values, [name]: `${sign}${value}${sign}` }), sign).toEqual(expected)
      const within = `${value.slice(0, 1)}${sign}${value.slice(1)}`
      if (value.length > 1)
        expect(() => readConfig({ ...values, [name]: within }), sign).toThrow(new RegExp(`^  ${name}: `, 'm'))
    }
  })

  test.each(names)('%s: typographic quotes, a comment and a placeholder are refused by name', (name) => {
    const value = values[name] ?? ''
    for (const form of [
      `\u201c${value}\u201d`,
      `\u2018${value}\u2019`,
      `\`${value}\``,
      `${value} # ours`,
      '$VALUE',
      ['${', 'VALUE}'].join(''),
      '<value>',
    ])
      expect(() => readConfig({ ...values, [name]: form }), form).toThrow(new RegExp(`^  ${name}: `, 'm'))
  })

  test.each(names)('%s: what is empty is unset; what is blank is too, where that opens nothing', (name) => {
    const without: Record<string, string> = { ...values }
    delete without[name]
    const read = (env: Record<string, string>) => {
      try {
        return readConfig(env)
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(read({ ...values, [name]: '' })).toEqual(read(without))
    if (/KEY|TOKEN/.test(name)) expect(read({ ...values, [name]: ' \n' })).toMatch(`  ${name}: must not be blank`)
    else expect(read({ ...values, [name]: ' \n' })).toEqual(read(without))
  })
})

test.each(['FLO_PUBLIC_URL', 'FLO_OTLP_ENDPOINT', 'FLO_STRIPE_API_BASE', 'FLO_EGRESS_PROXY'])(
  'a slash at the end of %s is no part of it',
  (name) => {
    const of = (value: string) => readConfig({ [name]: value })
    expect(of('http://example.com:81/')).toEqual(of('http://example.com:81'))
  },
)

describe('DATABASE_URL', () => {
  const read = (url: string) => readConfig({ DATABASE_URL: url, FLO_ENCRYPTION_KEYS: KEYS }).databaseUrl

  test.each([
    'postgres://flo:sEcReT#x@db/flo',
    'postgres://flo:sEcReT/x@db/flo',
    'postgres://flo:123/sEcReT@db/flo',
    'postgres://flo:sEcReT?x@db/flo',
    'postgres://flo:123?sEcReT@db/flo',
    'postgres://flo:123?user=sEcReT@db/flo?x',
    'postgres://flo:sEcReT%@db/flo',
    'postgres://flo:sEcReT%zz@db/flo',
    'postgres://flo:sEcReT@x@db/flo',
    'postgres://flo:sEc ReT@db/flo',
    'postgres://flo:sEcReT@db:port/flo',
    'postgres://flo:sEcReT@db:70000/flo',
    'postgres://flo:sEcReT@db/flo/',
    'postgres://flo:sEcReT@db/flo#main',
    'postgres://flo:sEcReT@one:5432,two:x/flo',
    'postgres://flo:sEcReT@db/flo?sslrootcert=/no/such/file',
    'postgres://flo:sEcReT@db/flo%zz',
    'mysql://flo:sEcReT@db/flo',
    'flo:sEcReT@db/flo',
  ])('%s is refused by name, and nothing of it is printed', (url) => {
    const error = (() => {
      try {
        return read(url) ?? ''
      } catch (error) {
        return (error as Error).message
      }
    })()
    expect(error).toMatch(/^ {2}DATABASE_URL: must .+$/m)
    expect(error).not.toMatch(/sEc|ReT/)
  })

  test.each([
    'postgres://flo@db/flo',
    'postgresql://flo:a%23b%2Fc%3Fd%25e%40f@db:5432/flo',
    'postgres://flo:p:w[x]{y}|z$&+,;=!*()~@db/flo',
    'postgres://db/flo?user=flo@server&password=x',
    'postgres://flo:x@one:5432,[::1]:5433/flo?target_session_attrs=read-write',
    'postgres://%2Fvar%2Frun%2Fpostgresql/flo',
    'postgres:///flo',
    'postgres://flo:x@[fd00::1]:5432/flo?sslmode=verify-full',
    'postgres://flo:x@db/',
  ])('%s is taken as it stands', (url) => expect(read(url)).toBe(url))
})
