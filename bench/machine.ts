import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, cpus, platform, release, totalmem } from 'node:os'

const versionOf = (file: string): string => {
  try {
    return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')).version
  } catch {
    return 'not installed'
  }
}

/** The version of Debian's redis-server, or null when there is none. */
export function redisVersion(): string | null {
  try {
    return /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? null
  } catch {
    return null
  }
}

/** On what the figures were measured. */
export const describeMachine = () => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 2 ** 30),
  system: `${platform()} ${release()} ${arch()}`,
})

export const readVersions = (postgres: string) => ({
  node: process.version,
  postgres,
  undici: versionOf('../node_modules/undici/package.json'),
  pg: versionOf('../node_modules/pg/package.json'),
  express: versionOf('../node_modules/express/package.json'),
  'graphile-worker': versionOf('../node_modules/graphile-worker/package.json'),
  bullmq: versionOf('node_modules/bullmq/package.json'),
  'pg-boss': versionOf('node_modules/pg-boss/package.json'),
  redis: redisVersion() ?? 'not installed',
})
