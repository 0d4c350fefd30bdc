import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createWholeMetrics, type MetricSamples, type OwnMetrics } from '../../src/metrics/whole-metrics.ts'

/** What a process of this name tells that has counted so much. */
async function toldBy(name: string, count: number): Promise<OwnMetrics> {
  const process = new Registry()
  process.setDefaultLabels({ process: name })
  new Gauge({ name: 'memory_bytes', help: 'Memory.', registers: [process] }).set(count * 1000)
  // Node's own metrics of prom-client leave themselves out of sums, or take the mean.
  new Gauge({ name: 'started_seconds', help: 'Start.', registers: [process], aggregator: 'omit' }).set(count)
  const counted = new Registry()
  const registers = [counted]
  new Counter({ name: 'done_total', help: 'Done.', labelNames: ['what'], registers }).labels('well').inc(count)
  const seconds = new Histogram({ name: 'seconds', help: 'Seconds.', buckets: [1, 10], registers })
  for (let each = 0; each < count; each += 1) seconds.observe(5)
  return { process: await process.getMetricsAsJSON(), counted: await counted.getMetricsAsJSON() }
}

async function readFromDatabase(): Promise<MetricSamples> {
  const registry = new Registry()
  new Gauge({ name: 'waiting', help: 'Waiting.', registers: [registry] }).set(7)
  return registry.getMetricsAsJSON()
}

async function twoProcesses() {
  const whole = createWholeMetrics(() => ({ wanted: 2, running: 2 }))
  whole.onProcessStarted('a')
  whole.onProcessStarted('b')
  const render = async (heard: [string, OwnMetrics][]) => {
    const text = await whole.renderWhole(new Map(heard), await readFromDatabase())
    return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  }
  return { whole, render }
}

test('what is counted is added, what describes a process carries its name, what describes the database is there once', async () => {
  const { render } = await twoProcesses()
  const shown = await render([
    ['a', await toldBy('1', 3)],
    ['b', await toldBy('2', 4)],
  ])
  for (const line of [
    'done_total{what="well"} 7',
    'seconds_bucket{le="10"} 7',
    'seconds_bucket{le="1"} 0',
    'seconds_count 7',
    'seconds_sum 35',
    'memory_bytes{process="1"} 3000',
    'memory_bytes{process="2"} 4000',
    'started_seconds{process="1"} 3',
    'started_seconds{process="2"} 4',
    'waiting 7',
    'flo_processes{state="running"} 2',
  ])
    expect(shown).toContain(line)
  expect(shown.some((line) => line.startsWith('process_start_time_seconds{process="parent"}'))).toBe(true)
})

test('a process that is not heard counts with what it said last, and its gauges are left out', async () => {
  const { render } = await twoProcesses()
  await render([
    ['a', await toldBy('1', 3)],
    ['b', await toldBy('2', 4)],
  ])
  const shown = await render([['a', await toldBy('1', 5)]])
  expect(shown).toContain('done_total{what="well"} 9')
  expect(shown).toContain('seconds_count 9')
  expect(shown.filter((line) => line.startsWith('memory_bytes'))).toEqual(['memory_bytes{process="1"} 5000'])
})

test('what processes have counted stays counted when they end, however many have, and is counted once', async () => {
  const { whole, render } = await twoProcesses()
  const last: [string, OwnMetrics] = ['b', await toldBy('2', 4)]
  await render([['a', await toldBy('1', 3)], last])
  whole.onProcessEnded('b')
  // Its answer was on its way as it ended.
  expect(await render([['a', await toldBy('1', 3)], last])).toContain('done_total{what="well"} 7')
  for (const [id, count] of [
    ['c', 1],
    ['d', 2],
  ] as const) {
    whole.onProcessStarted(id)
    await render([
      ['a', await toldBy('1', 3)],
      [id, await toldBy('2', count)],
    ])
    whole.onProcessEnded(id)
  }
  const shown = await render([['a', await toldBy('1', 4)]])
  expect(shown).toContain('done_total{what="well"} 11')
  expect(shown).toContain('flo_process_ends_total 3')
})
