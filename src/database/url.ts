import pg from 'pg'

/** Parameters of a URL whose value may hold an @, as `user=name@server` does. */
const WITH_AT = new Set(['user', 'password', 'application_name', 'options', 'host', 'sslcert', 'sslkey', 'sslrootcert'])

/** Those of libpq, but `allow`, and one more of the library: to it any other word would mean TLS. */
const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify']

/** How characters that a URL gives a meaning are written in its user, password and database. */
const ESCAPES = '%40 for @, %3A for :, %2F for /, %3F for ?, %23 for #, %25 for %, %20 for a space'

/**
 * Why a connection URL cannot mean what it says, as "must ..."; null: it can. What it says holds nothing of the URL, since a
 * password may stand in any part of one that is written wrongly.
 */
export function findUrlTrouble(url: string): string | null {
  const [, authority = '', path = '', query = '', fragment] =
    /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?(#.*)?$/s.exec(url) ?? []
  if (!/^postgres(ql)?:\/\//.test(url)) return 'must be a URL such as postgres://user:password@host:5432/database'
  if (/[\s\p{Cc}\p{Cf}]/u.test(url)) return escapesWanted('a space or a line break')
  if (fragment !== undefined) return escapesWanted('a #')
  if (authority.indexOf('@') !== authority.lastIndexOf('@')) return escapesWanted('more than one @')
  // An @ behind the hosts: what looks like them is the first part of a user or password.
  if (path.includes('@') || path.includes('/')) return escapesWanted('a / or an @')
  const hosts = authority.slice(authority.indexOf('@') + 1)
  if (!hosts.split(',').every(isHost))
    return `must name its hosts as host:port, with the characters of user and password percent-encoded (${ESCAPES})`
  for (const pair of query.split('&').filter(Boolean)) {
    const [, name = '', value = ''] = /^([A-Za-z_]+)=(.*)$/s.exec(pair) ?? []
    if (!name || value.includes('?') || (value.includes('@') && !WITH_AT.has(name))) return escapesWanted('a ?')
  }
  if (![authority, path, query].every(isDecodable)) return escapesWanted('a % that begins no escape')
  const mode = new URLSearchParams(query).get('sslmode')
  if (mode !== null && !SSL_MODES.includes(mode)) return `must have one of these as sslmode: ${SSL_MODES.join(', ')}`
  return findLibraryTrouble(url)
}

const escapesWanted = (what: string) =>
  `must be a URL with the characters of user, password and database percent-encoded; it holds ${what} (${ESCAPES})`

const isHost = (host: string): boolean => {
  const [, port] = /^(?:\[[0-9a-fA-F:.]+(?:%[\w.]+)?\]|[^:[\]\s]*)(?::(\d+))?$/.exec(host) ?? [null, 'none']
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535)
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** What the library says that reads it, such as a file of a certificate that is not there. */
function findLibraryTrouble(url: string): string | null {
  try {
    new pg.Client({ connectionString: url.replace(/(\/\/(?:[^@/?]*@)?[^,/?]*)[^/?]*/, '$1') })
    return null
  } catch (error) {
    const { code, path } = error as { code?: string; path?: string }
    return code === 'ENOENT' || code === 'EACCES'
      ? `must name files that can be read: ${path} cannot (${code})`
      : `must be a URL with parameters that are known (${ESCAPES})`
  }
}
