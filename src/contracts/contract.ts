import type { z } from 'zod'

/** What one attempt sends: the wire body is `contract.wireBody(deliveryId, body)`. */
export interface AttemptToSend {
  deliveryId: string
  eventType: string
  /** 1-based number of the attempt. */
  attempt: number
  /** The exact bytes that leave, as text. */
  wireBody: string
  /** Live secrets, newest first, plain. */
  secrets: readonly string[]
  at: Date
}

/** One target of the mappings: what clients receive, how it is signed and how often it is tried. */
export interface Contract {
  /** As endpoints choose it, e.g. `flo.v1`. */
  readonly name: string
  readonly eventTypes: readonly string[]
  /** The stored body of each event type (the wire body without the delivery's own id). */
  readonly schemas: Readonly<Record<string, z.ZodType>>
  /** The wire body of each event type, as a client receives and may validate it. */
  readonly wireSchemas: Readonly<Record<string, z.ZodType>>
  /** Every header that a delivery carries, by its name on the wire; their values are texts. */
  readonly wireHeaders: z.ZodObject
  /** Seconds before the 2nd, 3rd, ... attempt. */
  readonly retrySchedule: readonly number[]
  /** A delay is lengthened by a random share between 0 and this. */
  readonly jitter: number
  /** The header that carries the signature; kept on the attempt. */
  readonly signatureHeader: string
  /** A fresh signing secret, shown to the client. */
  newSecret(): string
  /** Why a secret that a client brings along cannot sign, as "must ..."; null: it can. Without it the contract takes none. */
  secretTrouble?(secret: string): string | null
  /** The other way to sign, for endpoints that ask for it: with a private key that never leaves the gateway. */
  readonly keyPairs?: {
    /** A fresh private key: a secret like the others, but never shown. */
    newSecret(): string
    /** What the client verifies with. */
    publicKeyOf(secret: string): string
    /** The header that carries such a signature, where `signatureHeader` has none. */
    readonly signatureHeader: string
  }
  /** The bytes that leave: the same for every attempt of a delivery. */
  wireBody(deliveryId: string, body: string): string
  /** All headers that belong to the contract, Content-Type and signatures included; signed anew for each attempt. */
  headers(send: AttemptToSend): Record<string, string>
  /** A complete stored body of the type with believable values, for docs and test events. */
  example(eventType: string): object
}

/** The contract of this name. Throws for one that this process does not offer. */
export function contractNamed(contracts: Readonly<Record<string, Contract>>, name: string): Contract {
  const contract = contracts[name]
  if (!contract) throw new Error(`There is no contract ${name}: name the module that offers it in FLO_CONTRACTS.`)
  return contract
}

/** The schema of an event type's wire body. Throws for a type that the contract does not have. */
export function wireSchemaOf(
  { name, wireSchemas }: Pick<Contract, 'name' | 'wireSchemas'>,
  eventType: string,
): z.ZodType {
  const schema = wireSchemas[eventType]
  if (!schema) throw new Error(`${name} has no schema for ${eventType}.`)
  return schema
}

/** The signature that these headers of the contract carry, for the log. */
export const signatureOf = (
  { signatureHeader, keyPairs }: Pick<Contract, 'signatureHeader' | 'keyPairs'>,
  headers: Readonly<Record<string, string>>,
): string | null => headers[signatureHeader] ?? (keyPairs && headers[keyPairs.signatureHeader]) ?? null

/** The example of a type as a client would receive it. */
export const wireExample = (contract: Contract, eventType: string): Record<string, unknown> =>
  JSON.parse(contract.wireBody(EXAMPLE_DELIVERY_ID, JSON.stringify(contract.example(eventType))))
const EXAMPLE_DELIVERY_ID = '9f6f8b54-8e2d-4f15-8c8a-d7b6d9f41a00'
