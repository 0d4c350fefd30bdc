import { ConfigError } from '../errors.ts'
import { isDatabaseAway } from './db.ts'

// Codes of Node's TLS: the certificate is not trusted, or is another host's.
const CERTIFICATE = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_|HOSTNAME_MISMATCH|INVALID_CA)/

/** What to do about an error of the server or of the network, by its code. `what` names role, database and host. */
function adviseOn({ code = '', message }: { code?: string; message: string }, what: UrlParts): string | null {
  const { role, database, host } = what
  if (code === '28P01' || /client password must be a|password authentication failed/.test(message))
    return `the server at ${host} does not accept the password of "${role}". Check user and password in DATABASE_URL, where characters such as @ : / ? # % are percent-encoded`
  if (code === '28000' && /no encryption|SSL off/.test(message) && !/host "\[local\]"/.test(message))
    return `the server at ${host} wants TLS: add ?sslmode=verify-full to DATABASE_URL`
  if (code === '28000')
    return `the server at ${host} does not let "${role}" in from here: see its pg_hba.conf, and that the role may log in`
  if (code === '3D000' || /^no such database/.test(message))
    return `there is no database "${database}" at ${host}: correct the name in DATABASE_URL, or create it with encoding 'UTF8'`
  if (code === '42501' && /set parameter/.test(message))
    return `role "${role}" or database "${database}" carries a setting that it may not put right itself (session_replication_role): alter role "${role}" reset session_replication_role, or the same for the database`
  if (code === '42501') return `role "${role}" lacks a right: grant it, or connect as the owner of the gateway's tables`
  if (code === '55000')
    return `database "${database}" takes no connections: alter database "${database}" allow_connections true`
  if (code === '53300')
    return `the server at ${host} has no connection left for "${role}": raise max_connections, or the connection limit of the role or the database (docs/scaling.md says how many a process needs)`
  if (/^57P0/.test(code)) return `the server at ${host} is starting or stopping: start again in a moment`
  if (code === '42704' && /configuration parameter/.test(message))
    return `"options" in DATABASE_URL, or PGOPTIONS, sets a parameter that the server does not know: remove it`
  if (/unsupported startup parameter/.test(message))
    return `a pooler refuses a parameter that DATABASE_URL carries behind its "?": remove it, or add it to the pooler's ignore_startup_parameters`
  if (/does not support SSL/.test(message))
    return `the server at ${host} has no TLS: switch its ssl on, or take sslmode out of DATABASE_URL`
  if (CERTIFICATE.test(code))
    return `the certificate of ${host} is not trusted: give its authority with &sslrootcert=<file> in DATABASE_URL, and use the host's name as the certificate has it`
  return null
}

interface UrlParts {
  role: string
  database: string
  host: string
}

/** Role, database and hosts of a connection URL, without its password. */
function readUrlParts(url: string): UrlParts {
  const [, user = '', host = '', database = ''] =
    /^\w+:\/\/(?:([^:@/]*)(?::[^@]*)?@)?([^/?]*)(?:\/([^?]*))?/.exec(url) ?? []
  const decode = (text: string) => {
    try {
      return decodeURIComponent(text)
    } catch {
      return text
    }
  }
  const role = decode(user)
  const socket = /[?&]host=([^&]*)/.exec(url)?.[1]
  return { role, database: decode(database) || role, host: decode(socket ?? host) }
}

/** The error of a connect as one line for the operator, that says what to do and holds no password. */
export function explainConnectFailure(error: unknown, url: string): ConfigError {
  const { message, code } = error as { message: string; code?: string }
  const advice = adviseOn({ code, message }, readUrlParts(url)) ?? 'check DATABASE_URL and that PostgreSQL runs'
  return new ConfigError(`The database cannot be reached (${firstLine(message)}): ${advice}.`, { cause: error })
}

/** What failed after the connect, as such a line; null: it is nothing that the database's operator could mend. */
export function explainDatabaseFailure(error: unknown, url: string): ConfigError | null {
  const {
    message = '',
    code,
    syscall = 'connect',
  } = (error ?? {}) as { message?: string; code?: string; syscall?: string }
  // A file that is missing has the code of a socket that is.
  if (error instanceof ConfigError || !['connect', 'read', 'write', 'getaddrinfo'].includes(syscall)) return null
  const advice = adviseOn({ code, message }, readUrlParts(url))
  if (advice === null && !isDatabaseAway(error)) return null
  if (advice === null && !SERVERS_OWN.test(code ?? '')) return explainConnectFailure(error, url)
  return new ConfigError(
    `The database refuses what the gateway needs (${firstLine(message)}): ${advice ?? 'look at the server, then start again'}.`,
    { cause: error },
  )
}

// Codes of PostgreSQL where the connection holds: it is out of something, or a standby. What is lost has codes of the network, or none.
const SERVERS_OWN = /^(53...|25006)$/

const firstLine = (message: string) => message.split('\n')[0]
