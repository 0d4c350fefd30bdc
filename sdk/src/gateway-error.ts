/** What was wrong with one field: `path` as it was given, e.g. `events.3.data.at`. */
export interface Detail {
  path: string
  code: string
  message: string
}

/** A request that the gateway refused or did not answer. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  /** The status of the answer; undefined: there was none. */
  readonly status: number | undefined
  /** As in the gateway's docs/errors.md; besides `unreachable`, and `unexpected_answer` of what is not the gateway. */
  readonly code: string
  readonly details: readonly Detail[]
  /** With it the gateway's log has the request. */
  readonly requestId: string | undefined
  /** Of `publishAll`: how many events, from the first on, had been accepted before. */
  readonly accepted: number

  constructor(refused: {
    status?: number | undefined
    code: string
    message: string
    details?: readonly Detail[] | undefined
    requestId?: string | undefined
    accepted?: number
    cause?: unknown
  }) {
    const { details = [], cause } = refused
    const lines = [refused.message, ...details.map(({ path, message }) => `${path} ${message}`)]
    super(lines.join('\n'), cause === undefined ? undefined : { cause })
    this.status = refused.status
    this.code = refused.code
    this.details = details
    this.requestId = refused.requestId
    this.accepted = refused.accepted ?? 0
  }
}
