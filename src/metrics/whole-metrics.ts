import { AggregatorRegistry, collectDefaultMetrics, Registry } from 'prom-client'
import { type ProcessCounts, registerProcessCounts } from './process-counts.ts'

/** Metrics with their samples, as prom-client's `getMetricsAsJSON` gives them: they may be sent to another process. */
export type MetricSamples = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** What a process of a whole tells of itself. */
export interface OwnMetrics {
  /** Gauges of the process, and what Node tells of it: each sample has the label `process`. */
  process: MetricSamples
  /** Counters and histograms of all that has been done: they are added. */
  counted: MetricSamples
}

/**
 * The metrics of a gateway of several processes. What they have counted is added, and never falls: a process that has ended, or is
 * not heard of, counts with what it said last, since Prometheus takes a counter that falls for one that began anew.
 */
export function createWholeMetrics(readCounts: () => ProcessCounts) {
  const parent = new Registry()
  parent.setDefaultLabels({ process: 'parent' })
  collectDefaultMetrics({ register: parent })
  const about = new Registry()
  const { onProcessEnded, onProcessUnheard } = registerProcessCounts(about, readCounts)
  /** By living process, what it had counted when it was heard last. */
  const latest = new Map<string, MetricSamples>()
  /** What those have counted that have ended: added up, and then what came since. */
  const ended: MetricSamples[] = []
  return {
    /** A process has started; `id` is of it alone, and not of the one that follows it. */
    onProcessStarted: (id: string) => void latest.set(id, []),
    /** It has ended without being asked to: what it has counted stays counted. */
    onProcessEnded(id: string) {
      onProcessEnded()
      ended.push(latest.get(id) ?? [])
      latest.delete(id)
    },
    onProcessUnheard,
    /** The text of all of them, of which these have told theirs; `standing` is what one has read from the database for all. */
    async renderWhole(heard: ReadonlyMap<string, OwnMetrics>, standing: MetricSamples): Promise<string> {
      // One that has ended meanwhile is among the ended with what it had told before.
      for (const [id, { counted }] of heard) if (latest.has(id)) latest.set(id, counted)
      const gauges = [...heard.values()].map(({ process }) => process)
      const counted = [...ended, ...latest.values()]
      const ours = [await about.getMetricsAsJSON(), await parent.getMetricsAsJSON()]
      const endedBefore = ended.length
      if (endedBefore > 1) ended.splice(0, endedBefore, await addSamples(ended.slice()).getMetricsAsJSON())
      return addSamples([...ours, ...gauges, ...counted, standing]).metrics()
    },
  }
}

export type WholeMetrics = ReturnType<typeof createWholeMetrics>

/** Adds samples of the same name and labels. Those with the label `process` are alone, whatever Node's metrics would do otherwise. */
const addSamples = (samples: readonly MetricSamples[]): Registry =>
  AggregatorRegistry.aggregate(samples.map((metrics) => metrics.map((metric) => ({ ...metric, aggregator: 'sum' }))))
