import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { refusalCodes } from '../../src/errors.ts'
import { eventually } from '../support/eventually.ts'
import { fixture } from '../support/fixtures.ts'
import { startTestGateway } from '../support/gateway.ts'
import { type Sample, scrape } from '../support/metrics.ts'
import { present } from '../support/present.ts'
import { asked } from '../support/promql.ts'
import { startReceiver } from '../support/receiver.ts'
import { alertsOf } from '../support/rules.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

// What ships for Prometheus and Grafana, held against what /metrics of a gateway shows that has done a little of everything.

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const alerts = alertsOf(read('ops/alerts.yml'))
const dashboard = JSON.parse(read('ops/grafana-dashboard.json'))
const panels: Json[] = dashboard.panels.filter(({ type }: Json) => type !== 'row')
const runbook = read('docs/operations.md')

const shown = await shownByAll()
/** Prometheus itself puts these on what it scrapes. */
const OF_PROMETHEUS = ['instance', 'job']

/** Scrapes a gateway until it shows each metric with samples. */
async function shownByAll() {
  const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0' })
  const receiver = await startReceiver((_, count) => ({ status: count === 1 ? 500 : 200 }))
  const way = await layWay(gateway.api, receiver.url)
  const listener = { clientId: way.clientId, url: receiver.url, contract: 'operations.v1' }
  await gateway.api('POST', '/v1/endpoints', listener)
  await gateway.api('PATCH', `/v1/endpoints/${way.endpointId}`, { retrySchedule: [] })
  await way.post(gateway.url, subscriptionCreated())
  await eventually(async () => (await way.deliveries()).some(({ state }) => state === 'failed'))
  await way.post(gateway.url, subscriptionCreated())
  for (const event of fixture('invoice-unknown-status-2023')) await way.post(gateway.url, JSON.stringify(event))
  const all = () => scrape(gateway.url)
  return eventually(async () => {
    const seen = await all()
    const { text, samples } = seen
    const helps = new Map(
      [...text.matchAll(/^# HELP (\S+) (.+)$/gm)].map(([, name, help]) => [present(name), present(help)]),
    )
    const silent = [...helps.keys()].filter((name) => !samples.some((sample) => sample.name.startsWith(name)))
    expect(silent).toEqual([])
    return { samples, helps }
  })
}

const named = (metric: string): Sample[] => shown.samples.filter(({ name }) => name === metric)
const helpOf = (metric: string): string =>
  shown.helps.get(metric) ?? shown.helps.get(metric.replace(/_(bucket|sum|count)$/, '')) ?? ''

/** What an expression asks for that nothing shows: metrics, labels, and values of labels that nothing speaks of. */
function unknownIn(expression: string): string[] {
  const { selectors, labels } = asked(expression)
  const known = new Set(
    selectors.flatMap(({ metric }) => named(metric).flatMap((sample) => Object.keys(sample.labels))),
  )
  return [
    ...selectors.filter(({ metric }) => named(metric).length === 0).map(({ metric }) => metric),
    ...labels.filter((label) => !known.has(label) && !OF_PROMETHEUS.includes(label)),
    ...selectors.flatMap(({ metric, matchers }) =>
      matchers.flatMap(({ label, value }) => {
        const samples = named(metric)
        if (!samples.some((sample) => label in sample.labels)) return [`${metric}{${label}}`]
        const words = /^[\w|]+$/.test(value) ? value.split('|') : []
        return words.filter((word) => !isValue(metric, label, word)).map((word) => `${metric}{${label}="${word}"}`)
      }),
    ),
  ]
}
const isValue = (metric: string, label: string, word: string) =>
  named(metric).some(({ labels }) => labels[label] === word) ||
  new RegExp(`\\b${word}\\b`).test(helpOf(metric)) ||
  (label === 'code' && word in refusalCodes)

describe('ops/alerts.yml', () => {
  test.each(alerts)('$alert asks for what /metrics shows', ({ expr }) => {
    expect(unknownIn(expr)).toEqual([])
  })

  test.each(alerts)('$alert says what is the matter, how urgent it is, and where it says what to do', (rule) => {
    expect(rule.alert).toMatch(/^Flo[A-Z]\w+$/)
    expect(['page', 'ticket']).toContain(rule.labels.severity)
    expect(rule.annotations.summary).toMatch(/^.{20,}\.$/)
    expect(rule.annotations.runbook).toBe(`docs/operations.md#${rule.alert.toLowerCase()}`)
    expect(runbook).toMatch(new RegExp(`^### ${rule.alert}$`, 'm'))
    if (rule.for) expect(rule.for).toMatch(/^\d+[smh]$/)
  })

  test('no alert has two rules, and the runbook has no chapter on one that is gone', () => {
    const names = alerts.map(({ alert }) => alert)
    expect(new Set(names).size).toBe(names.length)
    expect([...runbook.matchAll(/^### (Flo\w+)$/gm)].map(([, name]) => name).toSorted()).toEqual(names.toSorted())
  })
})

describe('ops/grafana-dashboard.json', () => {
  const queries = panels.flatMap(({ title, targets }) => targets.map(({ expr }: Json) => ({ title, expr })))

  test.each(queries)('$title: $expr', ({ expr }) => {
    expect(unknownIn(expr)).toEqual([])
  })

  test('every panel says what it is of use for, has its own place, and takes the data source that is chosen', () => {
    for (const { title, description, targets, gridPos } of panels) {
      expect(description, title).toMatch(/ Use: .{20,}\.$/)
      for (const { datasource } of targets) expect(datasource.uid).toMatch(/^\$\{datasource\}$/)
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
    }
    const ids = dashboard.panels.map(({ id }: Json) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { expr } of dashboard.annotations.list) expect(unknownIn(expr)).toEqual([])
  })

  test('every metric of ours is on a panel or in an alert: what nobody looks at need not be counted', () => {
    const used = new Set(
      [...queries, ...alerts].flatMap(({ expr }) => asked(expr).selectors.map(({ metric }) => metric)),
    )
    const ours = [...shown.helps.keys()].filter((name) => name.startsWith('flo_'))
    expect(
      ours.filter((name) => ![...used].some((metric) => metric === name || metric.startsWith(`${name}_`))),
    ).toEqual([])
  })
})

describe('the reader of rules and the one of PromQL', () => {
  test.each([
    ['a name that nothing shows', 'sum(rate(flo_webhook_total[5m]))', ['flo_webhook_total']],
    ['a label that it does not have', 'sum by (source) (flo_webhooks_total)', ['source']],
    ['a matcher on one', 'flo_webhooks_total{client="a"}', ['flo_webhooks_total{client}']],
    ['a value that it never has', 'flo_webhooks_total{result="lost"}', ['flo_webhooks_total{result="lost"}']],
  ])('find %s', (_, expression, unknown) => {
    expect(unknownIn(expression)).toEqual(unknown)
  })

  test.each([
    'sum(rate(flo_webhooks_total[5m])',
    'avrage(flo_webhooks_total)',
    'flo_webhooks_total{result}',
    'flo_info $x',
  ])('refuse %s', (expression) => {
    expect(() => asked(expression)).toThrow()
  })

  test.each(['groups:\n  - name: a\n    rules: {}', 'groups:\n  - name: a: b', 'groups:\n  - name: a\n   rules: b'])(
    'refuse %j',
    (text) => {
      expect(() => alertsOf(text)).toThrow()
    },
  )
})
