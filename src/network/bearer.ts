const PREFIX = 'bearer '

/**
 * The token of an `Authorization: Bearer <token>` header; '' for any other header. Cut by hand: an expression for it looks at
 * every run of spaces from each of its places, and a header may have 16,000 of them.
 */
export const bearerToken = (authorization = ''): string =>
  authorization.slice(0, PREFIX.length).toLowerCase() === PREFIX ? authorization.slice(PREFIX.length).trim() : ''
