/*
 * What sender, receivers and sums know each client by, without asking the gateway: its number. The sender writes it into the
 * names of all that an event is of, and the URL of an endpoint ends with it.
 */

/** The name of one event, and of all that it is of; `run` is hexadecimal. */
export const nameEvent = (run: string, client: number, made: number): string => `${run}k${client}x${made}`

/** The client of whoever has such a name in theirs; null: of none. */
export function clientOfName(text: string): number | null {
  const found = /k(\d+)x\d+$/.exec(text)?.[1]
  return found === undefined ? null : Number(found)
}

export const pathOfClient = (client: number): string => `/clients/${client}`

export function clientOfPath(path: string): number | null {
  const found = /^\/clients\/(\d+)$/.exec(path)?.[1]
  return found === undefined ? null : Number(found)
}
