import { existsSync } from 'node:fs'
import { type Config, readConfig, unknownSettings } from './config.ts'
import { isDatabaseAway } from './database/db.ts'
import { ConfigError } from './errors.ts'
import type { Gateway } from './gateway.ts'
import { type Log, newLog } from './log.ts'
import { isChildOfGateway } from './processes/arguments.ts'
import { isPatchedNode, PATCHED_NODES } from './version.ts'

// npm hands each Ctrl-C on to a child that has already got it from the terminal.
const ECHO_MS = 1000

/**
 * The gateway as a program: environment (and `.env`) in, lines for the person at the terminal out, signals obeyed. The first
 * SIGTERM, SIGINT or SIGHUP drains and exits with 0; another one, a second later or more, ends at once with 1.
 */
async function runProgram() {
  let log: Log | undefined
  const exitWithError = (error: unknown) => {
    if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`)
    else (log ?? newLog('info')).fatal({ err: error }, 'gateway.failed')
    process.exit(1)
  }
  try {
    if (existsSync('.env')) process.loadEnvFile('.env')
    const config = readConfig(process.env)
    const isParent = config.processes > 1
    log = newLog(config.logLevel, { isOutage: isDatabaseAway, isShared: isParent })
    if (isParent) log = log.child({ process: 'parent' })
    const unknown = unknownSettings(process.env)
    if (unknown.length > 0) log.warn({ variables: unknown }, 'config.unknown_variables')
    if (!isPatchedNode(process.versions.node))
      log.warn({ node: process.versions.node, patched: PATCHED_NODES }, 'node.without_security_fixes')
    const starting = startProgram(config, { log, onDatabaseCrash: () => process.exit(1) })
    obeySignals(starting, exitWithError)
    printStart(await starting, config)
  } catch (error) {
    exitWithError(error)
  }
}

/** In this process, or as the parent of several, which loads nothing of what it does not do itself. */
async function startProgram(config: Config, options: { log: Log; onDatabaseCrash: () => void }): Promise<Gateway> {
  if (config.processes > 1) return (await import('./processes/parent.ts')).startWhole(config, options)
  return (await import('./gateway.ts')).startGateway(config, options)
}

function obeySignals(starting: Promise<Gateway>, onFailure: (error: unknown) => void) {
  let gateway: Gateway | undefined
  let firstAt: number | undefined
  starting.then(
    (started) => {
      gateway = started
    },
    () => {},
  )
  const onSignal = async (signal: NodeJS.Signals) => {
    const at = performance.now()
    if (firstAt !== undefined) {
      if (at - firstAt < ECHO_MS) return
      gateway?.abandon()
      process.exit(1)
    }
    firstAt = at
    printLine(`${signal}: finishing what is under way. Once more ends at once.`)
    try {
      await (await starting).stop()
      process.exit(0)
    } catch (error) {
      onFailure(error)
    }
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal)
}

function printStart({ url, dataDir, adminKey }: Gateway, { roles, processes }: Config) {
  if (adminKey) printLine(`Admin key, shown this once: ${adminKey}`)
  printLine(dataDir ? `Data: ${dataDir}` : 'Data: the database of DATABASE_URL')
  if (roles.has('api')) printLine(`API reference: ${url}/docs`)
  const many = processes > 1 ? `; ${processes} processes` : ''
  printLine(`flo-gateway listens on ${url} (${[...roles].join(', ')}${many})`)
}

const printLine = (line: string) => process.stdout.write(`${line}\n`)

if (isChildOfGateway(process.argv)) await (await import('./processes/child.ts')).runChild()
else await runProgram()
