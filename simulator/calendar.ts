export type Interval = 'day' | 'week' | 'month' | 'year'
export interface Recurrence {
  interval: Interval
  intervalCount: number
}

export const MINUTE = 60
export const HOUR = 3600
export const DAY = 86400

/** The first boundary after `after` of a cycle that starts at `anchor`; Unix seconds in UTC. Months keep the anchor's day where they have it. */
export function boundaryAfter(anchor: number, { interval, intervalCount }: Recurrence, after: number): number {
  for (let cycle = 1; ; cycle += 1) {
    const at = shiftDate(anchor, interval, cycle * intervalCount)
    if (at > after) return at
  }
}

function shiftDate(anchor: number, interval: Interval, count: number): number {
  if (interval === 'day' || interval === 'week') return anchor + count * DAY * (interval === 'week' ? 7 : 1)
  const from = new Date(anchor * 1000)
  const months = from.getUTCMonth() + count * (interval === 'year' ? 12 : 1)
  const lastDay = new Date(Date.UTC(from.getUTCFullYear(), months + 1, 0)).getUTCDate()
  const day = Math.min(from.getUTCDate(), lastDay)
  const midnight = Date.UTC(from.getUTCFullYear(), months, day) / 1000
  return midnight + (anchor % DAY)
}
