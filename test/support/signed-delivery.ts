import { type Contract, wireExample } from '../../src/contracts/contract.ts'
import { flo } from '../../src/contracts/flo.ts'
import { florentin } from '../../src/contracts/florentin.ts'
import { present } from './present.ts'

export const DELIVERY_ID = '9f6f8b54-8e2d-4f15-8c8a-d7b6d9f41a00'
/** When `signedFlo` signs unless told. */
export const AT = new Date('2026-05-01T10:00:00.000Z')

interface Signing {
  eventType?: string
  secrets?: string[]
  at?: Date
  attempt?: number
  /** Instead of the contract's example. */
  body?: string
}

/** What the gateway would send: body and headers of one attempt, and the newest secret that signed it. */
const signed =
  (contract: Contract, usual: string) =>
  ({ eventType = usual, secrets = [contract.newSecret()], at = AT, attempt = 1, body }: Signing = {}) => {
    const wireBody = body ?? JSON.stringify(wireExample(contract, eventType))
    const headers = contract.headers({ deliveryId: DELIVERY_ID, eventType, attempt, wireBody, secrets, at })
    return { body: wireBody, headers, secret: present(secrets[0]), now: () => at }
  }

export const signedFlo = signed(flo, 'subscription.renewed')
const florentinOf = signed(florentin, 'invoice.created')
/** A body that is not the contract's has no timestamp to repeat; the header is then any. */
export function signedFlorentin(signing: Signing = {}) {
  const { headers, ...delivery } = florentinOf(signing)
  const timestamp = headers['X-Florentin-Timestamp'] || 'any'
  return { ...delivery, headers: { ...headers, 'X-Florentin-Timestamp': timestamp } as Record<string, string> }
}
