// Descriptors of the process and of the machine, memory, buffers. EAGAIN: ports, where a socket has none yet.
const CERTAIN_CODES = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EAGAIN'])

/**
 * Whether a connection failed for want of something on this machine. Where several addresses were tried, one of them may have
 * failed for another reason, and still the rest was not tried well.
 */
export function hasOwnLackCode(error: unknown): boolean {
  const { code, address, cause } = error as NodeJS.ErrnoException & { address?: string; cause?: unknown }
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.some(isCertain) || error.errors.every(hasOwnLackCode)
  if (cause instanceof AggregateError) return hasOwnLackCode(cause)
  // No port is left. A machine without IPv6 says the same of every IPv6 address.
  return isCertain(error) || (code === 'EADDRNOTAVAIL' && !address?.includes(':'))
}

const isCertain = (error: unknown): boolean => CERTAIN_CODES.has(String((error as NodeJS.ErrnoException | null)?.code))
