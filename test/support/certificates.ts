import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'

/** A certificate with its private key, both PEM. */
export interface Certified {
  cert: string
  key: string
  name: string
}

interface Wanted {
  name: string
  /** Who signs it; left out: itself. */
  by?: Certified
  ca?: boolean
  /** Names and addresses that a server may have. */
  hosts?: string[]
  use?: 'server' | 'client'
  /** From now, in days; negative: before now. */
  days?: [from: number, until: number]
  rsaBits?: number
}

/** A new X.509 certificate, written in DER by hand, so that the tests need no openssl and no file that expires. */
export function certificate({ name, by, ca = false, hosts = [], use, days = [-1, 30], rsaBits }: Wanted): Certified {
  const { privateKey, publicKey } = rsaBits
    ? generateKeyPairSync('rsa', { modulusLength: rsaBits })
    : generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const signer = by ? keyOf(by) : privateKey
  const algorithm =
    signer.asymmetricKeyType === 'rsa' ? sequence(oid(SHA256_RSA), der(0x05)) : sequence(oid(SHA256_ECDSA))
  const extensions = [
    extension(BASIC_CONSTRAINTS, sequence(...(ca ? [der(0x01, Buffer.from([0xff]))] : []))),
    ...(hosts.length > 0 ? [extension(SUBJECT_ALT_NAME, sequence(...hosts.map(altName)))] : []),
    ...(use ? [extension(EXTENDED_KEY_USAGE, sequence(oid(use === 'server' ? SERVER_AUTH : CLIENT_AUTH)))] : []),
  ]
  const content = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    named(by?.name ?? name),
    sequence(...days.map((day) => utcTime(new Date(Date.now() + day * 86_400_000)))),
    named(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  )
  const bytes = sequence(content, algorithm, bitString(sign('sha256', content, signer)))
  return {
    cert: new X509Certificate(bytes).toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    name,
  }
}

const SHA256_ECDSA = [1, 2, 840, 10045, 4, 3, 2]
const SHA256_RSA = [1, 2, 840, 113549, 1, 1, 11]
const COMMON_NAME = [2, 5, 4, 3]
const BASIC_CONSTRAINTS = [2, 5, 29, 19]
const SUBJECT_ALT_NAME = [2, 5, 29, 17]
const EXTENDED_KEY_USAGE = [2, 5, 29, 37]
const SERVER_AUTH = [1, 3, 6, 1, 5, 5, 7, 3, 1]
const CLIENT_AUTH = [1, 3, 6, 1, 5, 5, 7, 3, 2]

const keyOf = ({ key }: Certified): KeyObject => createPrivateKey(key)

/** Tag, length, content. */
function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
const sequence = (...contents: Buffer[]) => der(0x30, ...contents)
const integer = (bytes: Buffer) => der(0x02, bytes)
const bitString = (bytes: Buffer) => der(0x03, Buffer.from([0]), bytes)
const extension = (id: number[], value: Buffer) => sequence(oid(id), der(0x04, value))
const named = (name: string) => sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, Buffer.from(name)))))
const utcTime = (time: Date) => der(0x17, Buffer.from(`${time.toISOString().slice(2, 19).replace(/\D/g, '')}Z`))

function oid([first = 0, second = 0, ...rest]: number[]): Buffer {
  const bytes = rest.flatMap((arc) => {
    const digits = [arc & 0x7f]
    for (let left = arc >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80)
    return digits
  })
  return der(0x06, Buffer.from([40 * first + second, ...bytes]))
}

const altName = (host: string) =>
  isIP(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host))
