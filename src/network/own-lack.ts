// Descriptors of the process and of the machine, memory, buffers, the network itself. EAGAIN: ports, where a socket has none yet.
const CERTAIN_CODES = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EAGAIN', 'ENETDOWN'])
/** What a machine without IPv6 says of every IPv6 address, whose absence lacks nothing where there is another. */
const WITHOUT_V6_CODES = new Set(['EADDRNOTAVAIL', 'ENETUNREACH'])

type ConnectError = NodeJS.ErrnoException & { address?: string; cause?: unknown }

/**
 * Whether a connection failed for want of something on this machine. Where several addresses were tried, one of them may have
 * failed for another reason, and still the rest was not tried well.
 */
export function hasOwnLackCode(error: unknown): boolean {
  const { code, cause } = error as ConnectError
  if (error instanceof AggregateError && error.errors.length > 0) {
    const others = error.errors.filter((one) => !hasOwnLackCode(one))
    return error.errors.some(isCertain) || (others.length < error.errors.length && others.every(isWithoutV6))
  }
  if (cause instanceof AggregateError) return hasOwnLackCode(cause)
  // No port is left.
  return isCertain(error) || (code === 'EADDRNOTAVAIL' && !isWithoutV6(error))
}

const isCertain = (error: unknown): boolean => CERTAIN_CODES.has(String((error as ConnectError | null)?.code))

const isWithoutV6 = (error: unknown): boolean => {
  const { code, address } = error as ConnectError
  return WITHOUT_V6_CODES.has(String(code)) && Boolean(address?.includes(':'))
}
