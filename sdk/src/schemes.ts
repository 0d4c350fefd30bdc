import type { Secrets } from './delivery.ts'
import { type FloEvents, type FlorentinEvents, floEventTypes, florentinEventTypes } from './events.ts'
import { type FloUnverified, verifyFlo } from './flo.ts'
import { type FlorentinUnverified, verifyFlorentin } from './florentin.ts'
import type { Scheme, WebhookOptions } from './receiver.ts'
import { isPublicKey } from './secrets.ts'
import { verifyStandard } from './standard.ts'

/** What a webhook of Flo is made of. A public key (`whpk_`) as `secret` verifies by the headers of Standard Webhooks. */
export interface FloWebhookOptions extends WebhookOptions<FloEvents>, Pick<FloUnverified, 'toleranceSeconds'> {}

/** What a webhook of Florentin is made of. */
export interface FlorentinWebhookOptions
  extends WebhookOptions<FlorentinEvents>,
    Pick<FlorentinUnverified, 'maxAgeSeconds'> {}

export const floScheme = ({ toleranceSeconds }: FloWebhookOptions): Scheme<FloEvents> => ({
  types: floEventTypes,
  typeOf: ({ eventType }) => eventType,
  verify: (unverified) =>
    (isAsymmetric(unverified.secret) ? verifyStandard : verifyFlo)({ ...unverified, toleranceSeconds }),
})

export const florentinScheme = ({ maxAgeSeconds }: FlorentinWebhookOptions): Scheme<FlorentinEvents> => ({
  types: florentinEventTypes,
  typeOf: ({ event }) => event,
  verify: (unverified) => verifyFlorentin({ ...unverified, maxAgeSeconds }),
})

const isAsymmetric = (secret: Secrets): boolean => [secret ?? ''].flat().some((one) => isPublicKey(one ?? ''))
