import type { Registry } from 'prom-client'
import { show } from './show.ts'

/** What a gauge shows at a scrape: one value, or one for each value of its label; null: nothing is known. */
export type Reading = number | Readonly<Record<string, number>> | null

/** A gauge that is read at each scrape. */
export function gauge(
  registry: Registry,
  { name, help, label = '' }: { name: string; help: string; label?: string },
  read: () => Reading | Promise<Reading>,
): void {
  show(registry, { name, help, type: 'gauge' }, async () => {
    const reading = await read()
    if (reading === null) return []
    if (typeof reading === 'number') return [{ labels: {}, value: reading }]
    return Object.entries(reading).map(([value, count]) => ({ labels: { [label]: value }, value: count }))
  })
}
