import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { findUrlTrouble } from './database/url.ts'
import { ConfigError } from './errors.ts'
import { parseKeys } from './secrets/keyring.ts'
import { bearerSecret, decimal, findSlip, line, listenHost, trimSetting, trimSpace, webUrl } from './setting-values.ts'

const ROLES = ['receive', 'work', 'api'] as const
export type Role = (typeof ROLES)[number]

const splitList = (text: string) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)

const isSubnet = (text: string): boolean => {
  try {
    ipaddr.parseCIDR(text)
    return true
  } catch {
    return false
  }
}

const isNameServer = (text: string): boolean => {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const isPort = port === undefined || (Number(port) > 0 && Number(port) < 65_536)
  return isIP(text) !== 0 || (isPort && (isIP(bracketed ?? '') === 6 || isIP(plain ?? '') === 4))
}

const isProxyException = (text: string): boolean =>
  text === '*' || isIP(text) !== 0 || isSubnet(text) || /^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i.test(text)

const collectorUrl = webUrl({ path: true, credentials: true, example: 'http://collector:4318' })
const retentionDays = decimal.pipe(z.number().int().min(1).max(36_500))

/** Every environment variable the gateway reads. `.env.example` lists the same ones; a test compares. */
export const Environment = z.object({
  PORT: decimal.pipe(z.number().int().min(0).max(65535)).default(8080),
  HOST: listenHost.default('127.0.0.1'),
  DATABASE_URL: z
    .string()
    .superRefine((url, context) => {
      const message = findUrlTrouble(url)
      if (message) context.addIssue({ code: 'custom', message })
    })
    .optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  FLO_DATA_DIR: line.default('./.flo-gateway'),
  FLO_ADMIN_KEY: bearerSecret.optional(),
  FLO_ENCRYPTION_KEYS: z
    .string()
    .transform((text, context) => {
      try {
        return parseKeys(text)
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message })
        return z.NEVER
      }
    })
    .optional(),
  FLO_ROLES: z
    .string()
    .default(ROLES.join(','))
    .transform(splitList)
    .pipe(z.array(z.enum(ROLES)).min(1)),
  FLO_PROCESSES: z
    .union(
      [z.literal('auto').transform(() => availableParallelism()), decimal.pipe(z.number().int().min(1).max(256))],
      {
        error: 'must be a whole number from 1 to 256, or auto: one for each core that the gateway may use',
      },
    )
    .default(1),
  FLO_PUBLIC_URL: webUrl({ path: true, example: 'https://hooks.example.com' }).optional(),
  FLO_ALLOWED_SUBNETS: z
    .string()
    .default('')
    .transform(splitList)
    .pipe(
      z.array(
        z.string().refine(isSubnet, { error: (issue) => `"${issue.input}" is not a subnet such as 127.0.0.0/8` }),
      ),
    ),
  FLO_MAX_CONNECTIONS: decimal.pipe(z.number().int().min(10).max(100_000)).default(2_000),
  FLO_MAX_CONNECTIONS_PER_ADDRESS: decimal.pipe(z.number().int().min(1).max(100_000)).default(200),
  FLO_TRUSTED_PROXIES: z
    .string()
    .default('')
    .transform(splitList)
    .pipe(
      z.array(z.string().refine(isSubnet, { error: (issue) => `"${issue.input}" is not a subnet such as 10.0.0.0/8` })),
    ),
  FLO_INGEST_CONNECTIONS: decimal.pipe(z.number().int().min(4).max(100)).default(6),
  FLO_WORK_CONNECTIONS: decimal.pipe(z.number().int().min(4).max(200)).default(12),
  FLO_API_CONNECTIONS: decimal.pipe(z.number().int().min(2).max(100)).default(4),
  FLO_API_STATEMENT_SECONDS: decimal.pipe(z.number().min(0.1).max(300)).default(10),
  FLO_EGRESS_PROXY: webUrl({ credentials: true, example: 'http://user:password@proxy.example:3128' }).optional(),
  FLO_EGRESS_NO_PROXY: z
    .string()
    .default('')
    .transform(splitList)
    .pipe(
      z.array(
        z.string().refine(isProxyException, {
          error: (issue) => `"${issue.input}" is no name, address or subnet such as .internal or 10.0.0.0/8`,
        }),
      ),
    ),
  FLO_NAME_SERVERS: z
    .string()
    .default('')
    .transform(splitList)
    .pipe(
      z.array(
        z.string().refine(isNameServer, {
          error: (issue) => `"${issue.input}" is no address such as 10.0.0.2, 10.0.0.2:5353 or [2001:db8::2]:53`,
        }),
      ),
    ),
  FLO_HOLD_SECONDS: decimal.pipe(z.number().min(0).max(3600)).default(10),
  FLO_HYDRATE_SECONDS: decimal.pipe(z.number().min(0).max(3600)).default(30),
  FLO_RETENTION_PAYLOAD_DAYS: retentionDays.default(30),
  FLO_RETENTION_METADATA_DAYS: retentionDays.default(90),
  FLO_CONTRACTS: z.string().default('').transform(splitList),
  FLO_BACKLOG_SECONDS: decimal.pipe(z.number().min(1).max(86_400)).default(300),
  FLO_METRICS_TOKEN: bearerSecret.optional(),
  FLO_OTLP_ENDPOINT: collectorUrl.optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl.optional(),
  OTEL_SERVICE_NAME: line.default('flo-gateway'),
  OTEL_TRACES_SAMPLER_ARG: decimal.pipe(z.number().min(0).max(1)).default(1),
  FLO_STRIPE_API_BASE: webUrl({ example: 'https://api.stripe.com' }).default('https://api.stripe.com'),
})

export type Config = ReturnType<typeof readConfig>

/** Reads and checks the environment; throws one error that names every variable in trouble and what to do. */
export function readConfig(env: Record<string, string | undefined>) {
  const { given, problems } = readGiven(env)
  const parsed = Environment.safeParse(given)
  if (!parsed.success)
    problems.push(...parsed.error.issues.map(({ path, message }) => `  ${String(path[0])}: ${message}`))
  if (given.DATABASE_URL && !given.FLO_ENCRYPTION_KEYS)
    problems.push(
      '  FLO_ENCRYPTION_KEYS: must be set together with DATABASE_URL, since a generated key would stay on this machine alone (example: k1:$(openssl rand -base64 32))',
    )
  if (parsed.success && parsed.data.FLO_RETENTION_METADATA_DAYS < parsed.data.FLO_RETENTION_PAYLOAD_DAYS)
    problems.push('  FLO_RETENTION_METADATA_DAYS: must be FLO_RETENTION_PAYLOAD_DAYS or more')
  if (!parsed.success || problems.length > 0)
    throw new ConfigError(
      `The environment has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n${problems.join('\n')}`,
    )
  const settings = parsed.data
  return {
    port: settings.PORT,
    host: settings.HOST,
    databaseUrl: settings.DATABASE_URL,
    logLevel: settings.LOG_LEVEL,
    dataDir: settings.FLO_DATA_DIR,
    adminKey: settings.FLO_ADMIN_KEY,
    encryptionKeys: settings.FLO_ENCRYPTION_KEYS,
    roles: new Set<Role>(settings.FLO_ROLES),
    /** How many processes share port and database on this machine. */
    processes: settings.FLO_PROCESSES,
    publicUrl: settings.FLO_PUBLIC_URL,
    allowedSubnets: settings.FLO_ALLOWED_SUBNETS,
    maxConnections: settings.FLO_MAX_CONNECTIONS,
    maxConnectionsPerAddress: settings.FLO_MAX_CONNECTIONS_PER_ADDRESS,
    trustedProxies: settings.FLO_TRUSTED_PROXIES,
    connections: {
      ingest: settings.FLO_INGEST_CONNECTIONS,
      work: settings.FLO_WORK_CONNECTIONS,
      api: settings.FLO_API_CONNECTIONS,
    },
    apiStatementSeconds: settings.FLO_API_STATEMENT_SECONDS,
    egressProxy: settings.FLO_EGRESS_PROXY
      ? { url: settings.FLO_EGRESS_PROXY, exceptions: settings.FLO_EGRESS_NO_PROXY }
      : undefined,
    nameServers: settings.FLO_NAME_SERVERS,
    holdSeconds: settings.FLO_HOLD_SECONDS,
    hydrateSeconds: settings.FLO_HYDRATE_SECONDS,
    retentionDays: { payload: settings.FLO_RETENTION_PAYLOAD_DAYS, metadata: settings.FLO_RETENTION_METADATA_DAYS },
    contracts: settings.FLO_CONTRACTS,
    backlogSeconds: settings.FLO_BACKLOG_SECONDS,
    metricsToken: settings.FLO_METRICS_TOKEN,
    otlpEndpoint: settings.FLO_OTLP_ENDPOINT ?? settings.OTEL_EXPORTER_OTLP_ENDPOINT,
    serviceName: settings.OTEL_SERVICE_NAME,
    tracedShare: settings.OTEL_TRACES_SAMPLER_ARG,
    stripeApiBase: settings.FLO_STRIPE_API_BASE,
  }
}

/** What is blank here would leave open what should be closed. Quotes around a token are no guess of ours to make. */
const SECRETS = new Set(['FLO_ADMIN_KEY', 'FLO_METRICS_TOKEN', 'FLO_ENCRYPTION_KEYS'])

/** The variables of ours that are set, without what is around their values by mistake, and what is wrong with them already. */
function readGiven(env: Record<string, string | undefined>) {
  const given: Record<string, string> = {}
  const problems: string[] = []
  for (const name of Object.keys(Environment.shape)) {
    // An empty variable is an unset one: `FLO_ADMIN_KEY=` in a .env file means "not given".
    const raw = env[name] ?? ''
    const value = trimSetting(raw)
    const isToken = SECRETS.has(name) && name !== 'FLO_ENCRYPTION_KEYS'
    if (raw !== '' && value === '' && SECRETS.has(name))
      problems.push(`  ${name}: must not be blank: set it, or leave it out`)
    else if (value !== '') given[name] = isToken ? trimSpace(raw) : value
    const slip = findSlip(value)
    if (slip === null) continue
    problems.push(`  ${name}: ${slip}`)
    delete given[name]
  }
  return { given, problems }
}

/** The variables that look like settings of the gateway and are none: mistyped, or of another version. */
export const unknownSettings = (env: Record<string, string | undefined>): string[] =>
  Object.keys(env).filter((name) => name.startsWith('FLO_') && !Object.hasOwn(Environment.shape, name))
