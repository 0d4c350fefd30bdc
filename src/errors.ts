/** Every refusal a caller can meet: its status and what to do. `docs/errors.md` lists the same rows (a test compares). */
export const refusalCodes = {
  malformed_request: { status: 400, message: 'The request cannot be read: check its URL and headers.' },
  malformed_json: { status: 400, message: 'The request body is not valid JSON.' },
  signature_missing: {
    status: 400,
    message: 'The Stripe-Signature header is missing: send the request that Stripe signed, unchanged.',
  },
  signature_malformed: {
    status: 400,
    message: 'The Stripe-Signature header is not of the form t=<unix seconds>,v1=<hex>.',
  },
  signature_invalid: {
    status: 400,
    message: 'The Stripe-Signature header does not match the body for any signing secret of this source.',
  },
  timestamp_out_of_tolerance: {
    status: 400,
    message: 'The signature is older or newer than 300 seconds: check the clock of sender and gateway.',
  },
  body_incomplete: { status: 400, message: 'The connection ended before the whole request body had arrived.' },
  event_malformed: { status: 400, message: 'The body is not a Stripe event: it needs an id and a type.' },
  event_unstorable: { status: 400, message: 'The event holds text that PostgreSQL cannot store.' },
  unauthorized: { status: 401, message: 'Send a valid API key: Authorization: Bearer flo_sk_<id>_<secret>.' },
  forbidden: { status: 403, message: 'This API key lacks the scope that the request needs.' },
  not_found: { status: 404, message: 'Nothing of this client has this id.' },
  source_not_found: { status: 404, message: 'No source has this id: check the webhook URL.' },
  route_not_found: { status: 404, message: 'No route has this method and path: see /openapi.json.' },
  request_timeout: { status: 408, message: 'The request did not arrive in time: send it in one go.' },
  endpoint_disabled: { status: 409, message: 'This endpoint is disabled: enable it first.' },
  too_many_secrets: {
    status: 409,
    message:
      'Five signing secrets of this endpoint are live: wait for the end of a grace period, or set revokePrevious.',
  },
  key_in_use: { status: 409, message: 'An API key cannot revoke itself: use another one.' },
  already_normalized: {
    status: 409,
    message:
      'This source event was normalised: its events exist. Resend a delivery, or see what it would become now by explain.',
  },
  body_expired: {
    status: 409,
    message: 'The raw body of this source event is past its retention: it cannot be normalised any more.',
  },
  payload_expired: {
    status: 409,
    message: 'The body of this event is past its retention: it cannot be sent any more.',
  },
  needs_api_key: {
    status: 409,
    message: 'This source has no API key, so Stripe cannot be asked: PATCH /v1/sources/{id} {apiKey} gives it one.',
  },
  backfill_running: {
    status: 409,
    message: 'A backfill of this source runs: wait for its end, or cancel it.',
  },
  replay_running: {
    status: 409,
    message: 'A replay to this endpoint runs: wait for its end, or cancel it.',
  },
  delivery_ended: {
    status: 409,
    message: 'This delivery has ended: only one that is pending can be cancelled.',
  },
  quota_exceeded: {
    status: 409,
    message: 'The client has as many of these as its quota allows: delete one, or ask the operator for more.',
  },
  conflict: { status: 409, message: 'The request conflicts with the present state.' },
  idempotency_running: {
    status: 409,
    message: 'A request with this Idempotency-Key is still running: try again when it has ended.',
  },
  too_large: { status: 413, message: 'The request body is too large.' },
  unsupported_media_type: { status: 415, message: 'Send Content-Type: application/json.' },
  invalid: { status: 422, message: 'The request does not fit the schema: see details.' },
  cursor_invalid: { status: 422, message: 'This cursor is not one that the list gave in this order.' },
  https_required: {
    status: 422,
    message: 'An endpoint needs https://; http:// may only go to addresses that FLO_ALLOWED_SUBNETS opens.',
  },
  url_blocked: { status: 422, message: 'No endpoint may have this address: it is not one of the public internet.' },
  idempotency_mismatch: { status: 422, message: 'This Idempotency-Key was used with another request.' },
  idempotency_full: {
    status: 429,
    message:
      'The answers that are kept for the Idempotency-Keys of this client are as large as they may be: wait, or send without a key.',
  },
  rate_limited: { status: 429, message: 'Too many requests with this key: wait as Retry-After says.' },
  headers_too_large: { status: 431, message: 'The request line and headers are larger than 16 KiB.' },
  internal: { status: 500, message: 'Something went wrong on our side; the request id finds it in the log.' },
  overloaded: {
    status: 503,
    message: 'This client, or this address, has as much under way as its share allows: wait as Retry-After says.',
  },
  query_too_slow: {
    status: 503,
    message: 'The database took too long for this request and was stopped: ask for less, or for a shorter time.',
  },
  unavailable: { status: 503, message: 'The gateway is starting or draining: try again shortly.' },
} as const

export type RefusalCode = keyof typeof refusalCodes
/** What was wrong with one field: `path` as the caller wrote it, e.g. `retrySchedule.0`; `until` when it ends by itself. */
export type RefusalDetail = { path: string; code: string; message: string; until?: string }

/** A request we refuse. The edge answers with the status and message of the code. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly code: RefusalCode
  readonly details: RefusalDetail[]
  readonly retryAfterSeconds: number | undefined
  constructor(
    code: RefusalCode,
    extra: { message?: string; details?: RefusalDetail[]; retryAfterSeconds?: number } = {},
  ) {
    super(extra.message ?? refusalCodes[code].message)
    this.code = code
    this.details = extra.details ?? []
    this.retryAfterSeconds = extra.retryAfterSeconds
  }
  get status() {
    return refusalCodes[this.code].status
  }
}

/** The body of every refusal, the same on all routes. */
export const refusalBody = (refusal: Refusal, requestId: string) => ({
  error: { code: refusal.code, message: refusal.message, requestId, details: refusal.details },
})

/** The operator has to change something before the gateway can start: printed without a stack. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}
