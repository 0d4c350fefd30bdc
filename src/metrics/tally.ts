import type { Registry } from 'prom-client'
import { type Sample, show } from './show.ts'

// prom-client's own counters and histograms hash their labels anew at each call and take a microsecond or more of it; a
// delivery counts three times. These are read by the same registry, and cost tens of nanoseconds.

interface Named<L extends string> {
  name: string
  help: string
  labels?: readonly L[]
  /** Values of the labels that are shown from the start: a rate is blind to a series that begins with its first event. */
  zero?: readonly (readonly string[])[]
}

/** A counter; add one with the values of its labels, in order. They must be of few kinds: never an id. */
export function counter<L extends string = never>(
  registry: Registry,
  { name, help, labels = [], zero = [] }: Named<L>,
) {
  const cells = new Map<string, { labels: Sample['labels']; value: number }>()
  const cellOf = (values: readonly string[]) => {
    const key = values.length === 1 ? values[0]! : values.join('\u0000')
    let cell = cells.get(key)
    if (!cell) {
      cell = { labels: Object.fromEntries(labels.map((label, at) => [label, values[at] ?? ''])), value: 0 }
      cells.set(key, cell)
    }
    return cell
  }
  for (const values of labels.length === 0 ? [[]] : zero) cellOf(values)
  show(registry, { name, help, type: 'counter' }, () => [...cells.values()])
  return {
    add(by: number, ...values: string[]) {
      cellOf(values).value += by
    },
  }
}

/** A histogram with at most one label. */
export function histogram<L extends string = never>(
  registry: Registry,
  { name, help, labels = [], zero = [], buckets }: Named<L> & { buckets: readonly number[] },
) {
  const cells = new Map<string, { counts: Float64Array; sum: number; count: number }>()
  const cellOf = (value: string) => {
    let cell = cells.get(value)
    if (!cell) {
      cell = { counts: new Float64Array(buckets.length), sum: 0, count: 0 }
      cells.set(value, cell)
    }
    return cell
  }
  for (const [value = ''] of labels.length === 0 ? [['']] : zero) cellOf(value)
  const samples = (): Sample[] =>
    [...cells].flatMap(([value, { counts, sum, count }]) => {
      const own = Object.fromEntries(labels.map((label) => [label, value]))
      let below = 0
      const upTo = buckets.map((le, at) => {
        below += counts[at]!
        return { metricName: `${name}_bucket`, labels: { ...own, le }, value: below }
      })
      return [
        ...upTo,
        { metricName: `${name}_bucket`, labels: { ...own, le: '+Inf' }, value: count },
        { metricName: `${name}_sum`, labels: own, value: sum },
        { metricName: `${name}_count`, labels: own, value: count },
      ]
    })
  show(registry, { name, help, type: 'histogram' }, samples)
  return {
    observe(seen: number, value = '') {
      const cell = cellOf(value)
      cell.sum += seen
      cell.count += 1
      let at = 0
      while (at < buckets.length && seen > buckets[at]!) at += 1
      if (at < buckets.length) cell.counts[at]! += 1
    },
  }
}
