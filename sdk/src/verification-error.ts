/** Everything that can be wrong with a delivery; the README says what to do about each. */
export type VerificationCode =
  | 'secret_missing'
  | 'secret_malformed'
  | 'header_missing'
  | 'header_malformed'
  | 'body_parsed'
  | 'body_altered'
  | 'body_malformed'
  | 'body_too_large'
  | 'signature_invalid'
  | 'timestamp_out_of_tolerance'
  | 'timestamp_mismatch'

/** A delivery that is not to be trusted. `code` is for programs, `message` says what to do; neither holds a secret. */
export class VerificationError extends Error {
  override readonly name = 'VerificationError'
  readonly code: VerificationCode

  constructor(code: VerificationCode, message: string) {
    super(message)
    this.code = code
  }
}
