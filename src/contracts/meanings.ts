import type { z } from 'zod'

// What each event means, in one sentence, as the published contracts say it. Catalog, documents and SDK show it.

export const floMeanings: Readonly<Record<string, string>> = {
  'subscription.created': 'A new subscription exists.',
  'subscription.updated': 'The subscription changed in a way that none of the other events names.',
  'subscription.cancelled':
    'The subscription was cancelled, now or by schedule: `cancelAt` and `endDate` say when it ends.',
  'subscription.renewed': 'A recurring period was billed successfully.',
  'subscription.reactivated': 'A cancelled subscription, or one scheduled to be, was restored.',
  'subscription.paused': 'The subscription was paused.',
  'subscription.resumed': 'A paused subscription was resumed.',
  'subscription.expired': 'The subscription ended and is no longer active.',
  'item.purchased': 'A one-off item, or a one-off invoice line, was bought. One event per item.',
  'item.refunded': 'A bought item was refunded, in part or whole: `refundedAmount` is what was refunded so far.',
  'invoice.created': 'A new invoice exists.',
  'invoice.updated': 'The invoice changed in a way that none of the other events names.',
  'invoice.deleted': 'The invoice, a draft, was deleted.',
  'invoice.paid': 'The invoice was paid.',
  'invoice.overdue': 'The invoice is overdue.',
}

export const florentinMeanings: Readonly<Record<string, string>> = {
  'account.created': 'An account was opened.',
  'user.login': 'A user logged in.',
  'subscription.purchased': 'A subscription can be used for the first time, paid or on trial.',
  'invoice.created': 'A new invoice exists that is not a draft. One event per invoice.',
  'subscription.upgraded': 'The recurring monthly value of the subscription rose; `previous` is what it was before.',
  'subscription.downgraded': 'The recurring monthly value of the subscription fell; `previous` is what it was before.',
  'subscription.cancelled': 'The subscription was cancelled, now or by schedule: `cancel_at` says when it ends.',
  'team_member.added': 'Somebody joined the team.',
  'tos.accepted': 'The terms of service were accepted.',
  'usage.metrics_updated': 'A measure of usage has a new value.',
}

export const operationsMeanings: Readonly<Record<string, string>> = {
  'endpoint.disabled': 'An endpoint takes nothing any more: by hand, since it answered 410, or after days of failures.',
  'endpoint.failing': 'An endpoint fails: its breaker has opened, or nothing has got through for a day.',
  'endpoint.recovered': 'An attempt has got through to an endpoint that failed.',
  'delivery.exhausted':
    'A delivery has failed for good: its schedule has no further attempt. One event for each row of failures, the first one.',
  'source.signature_failing':
    'Webhooks of a source are refused for their signatures, and none is right. It is over with the first that is.',
  'mapping.failed':
    'Source events cannot be mapped, or only in part, for one reason. Once for each source and reason, until it has been quiet for an hour.',
  'source_event.stuck':
    'A source event stays received for a minute while later ones get through. Once for each source, until none of it does.',
  'source_event.unrouted':
    'Nobody has told whose the events of a source are that serves many clients. Once for each source and reason, until it has been quiet for an hour.',
  'backlog.growing': 'Work waits longer than it should. Once, until nothing waits for a minute any more.',
}

/** The schemas by event type, each with the meaning of its event as its description. */
export const describeSchemas = (
  schemas: Readonly<Record<string, z.ZodType>>,
  meanings: Readonly<Record<string, string>>,
): Record<string, z.ZodType> =>
  Object.fromEntries(
    Object.entries(schemas).map(([type, schema]) => [type, schema.meta({ description: meanings[type] ?? type })]),
  )
