import type { Metric, Registry } from 'prom-client'

/** One line of /metrics; `metricName` where it is not the metric's own. */
export interface Sample {
  metricName?: string
  labels: Record<string, string | number>
  value: number
}

/**
 * Puts a metric into the registry that is asked for its samples at each scrape. One that cannot answer shows none: the
 * others are still of use.
 */
export function show(
  registry: Registry,
  what: { name: string; help: string; type: 'counter' | 'gauge' | 'histogram' },
  samples: () => readonly Sample[] | Promise<readonly Sample[]>,
): void {
  const own = { ...what, aggregator: 'sum' }
  const get = async () => {
    try {
      return { ...own, values: await samples() }
    } catch {
      return { ...own, values: [] }
    }
  }
  // What the registry needs of a metric; its types know prom-client's own classes alone.
  registry.registerMetric({ ...own, get } as unknown as Metric)
}
