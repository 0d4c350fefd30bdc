import type { LookupAddress } from 'node:dns'
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { hostname as machineName } from 'node:os'

/** Where this machine says how names are resolved. */
export interface SystemFilePaths {
  hosts: string
  resolvConf: string
  nsswitch: string
}

export const SYSTEM_FILES: SystemFilePaths =
  process.platform === 'win32'
    ? { hosts: 'C:\\Windows\\System32\\drivers\\etc\\hosts', resolvConf: '', nsswitch: '' }
    : { hosts: '/etc/hosts', resolvConf: '/etc/resolv.conf', nsswitch: '/etc/nsswitch.conf' }

/** How often it is looked whether a file has changed. Small local files, read without libuv's threads. */
const LOOK_AGAIN_MS = 1_000

/** What the machine's files say of names, as they are now: they change while a container or a network is set up. */
export function watchSystemFiles(paths: SystemFilePaths, now: () => number = () => performance.now()) {
  const hosts = watchFile(paths.hosts, parseHosts, now)
  const search = watchFile(paths.resolvConf, parseSearch, now)
  const sources = watchFile(paths.nsswitch, parseSources, now)
  return {
    /** The addresses of a name in the hosts file; none: it is not there. */
    addressesInHosts: (name: string): readonly LookupAddress[] => hosts.read().get(name.replace(/\.$/, '')) ?? [],
    /** The full names to ask for, in order, as resolv.conf(5) says: `search`, `domain` and `ndots`. */
    namesToAsk: (name: string): string[] => expandName(name, search.read()),
    /** Whether the name is one of this machine's own domains, or a name without one. */
    scopeOf: (name: string): 'inner' | 'outer' => {
      const plain = name.replace(/\.$/, '')
      const isInner = !plain.includes('.') || search.read().domains.some((domain) => plain.endsWith(`.${domain}`))
      return isInner ? 'inner' : 'outer'
    },
    /** A number that changes whenever resolv.conf has changed. */
    resolvConfVersion: () => search.version(),
    /** Whether the machine has sources of names beside the hosts file and DNS, such as mDNS. */
    hasOtherSources: () => process.platform !== 'linux' || sources.read(),
  }
}

export type SystemFiles = ReturnType<typeof watchSystemFiles>

function watchFile<T>(path: string, parse: (text: string) => T, now: () => number) {
  let content: { stamp: string; value: T } | undefined
  let lookedAt = Number.NEGATIVE_INFINITY
  let version = 0
  const refresh = () => {
    if (content && now() - lookedAt < LOOK_AGAIN_MS) return content.value
    lookedAt = now()
    const stamp = stampOf(path)
    // A file that cannot be read at the moment, for want of descriptors say, counts as unchanged.
    if (content && (stamp === null || stamp === content.stamp)) return content.value
    const text = readText(path)
    if (text === null) return content?.value ?? parse('')
    content = { stamp: stamp ?? '', value: parse(text) }
    version += 1
    return content.value
  }
  return {
    read: refresh,
    version() {
      refresh()
      return version
    },
  }
}

function stampOf(path: string): string | null {
  const stat = path ? statSync(path, { throwIfNoEntry: false }) : undefined
  return stat ? `${stat.ino} ${stat.mtimeMs} ${stat.size}` : null
}

function readText(path: string): string | null {
  try {
    return path ? readFileSync(path, 'utf8') : ''
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? '' : null
  }
}

const fieldsOf = (line: string): string[] =>
  line
    .replace(/[#;].*$/, '')
    .trim()
    .split(/\s+/)

function parseHosts(text: string): ReadonlyMap<string, LookupAddress[]> {
  const byName = new Map<string, LookupAddress[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = fieldsOf(line)
    const family = isIP(address)
    if (family === 0) continue
    for (const written of names) {
      const name = written.toLowerCase()
      const known = byName.get(name) ?? []
      if (!known.some((other) => other.address === address)) byName.set(name, [...known, { address, family }])
    }
  }
  return byName
}

interface Search {
  domains: readonly string[]
  /** A name with so many dots is asked for as it stands first. */
  ndots: number
}

function parseSearch(text: string): Search {
  let domains: string[] | undefined
  let options: string[] = []
  for (const line of text.split('\n')) {
    const [keyword, ...values] = fieldsOf(line)
    if (keyword === 'search' || keyword === 'domain') domains = values
    if (keyword === 'options') options = [...options, ...values]
  }
  // The environment wins, as with the system's own resolver.
  const { LOCALDOMAIN, RES_OPTIONS } = process.env
  if (LOCALDOMAIN !== undefined) domains = LOCALDOMAIN.split(/\s+/)
  options = [...options, ...(RES_OPTIONS ?? '').split(/\s+/)]
  const ndots = options.flatMap((option) => /^ndots:(\d+)$/.exec(option)?.[1] ?? []).map(Number)
  const own = machineName().split('.').slice(1).join('.')
  return {
    domains: (domains ?? [own]).map((domain) => domain.replace(/^\.+|\.+$/g, '')).filter(Boolean),
    ndots: Math.min(ndots.at(-1) ?? 1, 15),
  }
}

function expandName(name: string, { domains, ndots }: Search): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)]
  const expanded = domains.map((domain) => `${name}.${domain}`)
  return name.split('.').length - 1 >= ndots ? [name, ...expanded] : [...expanded, name]
}

// What comes with glibc and knows no names but those of the hosts file, of DNS and of the machine itself.
const PLAIN_SOURCES = new Set(['files', 'dns'])

function parseSources(text: string): boolean {
  const [line = ''] = text.split('\n').filter((candidate) => /^\s*hosts:/.test(candidate))
  const sources = line
    .replace(/#.*$/, '')
    .replace(/^\s*hosts:/, '')
    .replace(/\[[^\]]*\]/g, ' ')
    .trim()
    .split(/\s+/)
  return sources.some((source) => source !== '' && !PLAIN_SOURCES.has(source))
}
