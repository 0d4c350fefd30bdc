import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { expect, test } from 'vitest'
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
])('%s=%s is refused by name', (name, value) => {
  expect(() => readConfig({ FLO_ENCRYPTION_KEYS: KEYS, [name]: value })).toThrow(new RegExp(`^  ${name}: .+$`, 'm'))
})
