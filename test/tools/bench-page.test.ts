import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Report } from '../../bench/bench.ts'
import { medianOf, runBeside } from '../../bench/figures.ts'
import { performancePage } from '../../bench/page.ts'
import { present } from '../support/present.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const report = (figures: Report['results'][number]['figures']): Report => ({
  date: '2026-11-22T00:00:00.000Z',
  quick: false,
  machine: { cpu: 'c', cores: 2, memoryGb: 1, system: 's' },
  loadBefore: 0.25,
  versions: { node: 'v24' },
  results: [{ row: 'ingest', about: 'What is done.', figures: present(figures) }],
})

test('docs/performance.md is what the published run says: `npm run bench -- --publish` writes both', () => {
  expect(read('docs/performance.md')).toBe(performancePage(JSON.parse(read('bench/published.json'))))
})

test('each ratio is the median of rounds beside their neighbours, and says how far they lie apart', () => {
  const ratio = runBeside('the baseline', [30, 10, 20], [10, 10, 10], { atLeast: 2 })
  const page = performancePage(report([{ what: 'events', value: 20, unit: '/s', ratio }]))
  expect(page).toContain('| events | 20.0 /s | the baseline | 2.00 (1.00 to 3.00) | ≥ 2 | met |')
  expect(page).toContain('**1 of 1 targets met**')
})

test('a run says how it wrote its log', () => {
  const said = 'All of them write their logs to files.'
  expect(performancePage({ ...report([]), log: said })).toContain(`shares the machine.\n${said}\n`)
  expect(performancePage(report([]))).toContain('shares the machine.\n\n')
})

test('the median of two rounds lies between them', () => {
  expect([medianOf([3, 1]), medianOf([5, 1, 3]), medianOf([])]).toEqual([2, 3, Number.NaN])
})

test('a bar that was missed and a row that failed are said', () => {
  const page = performancePage(report([{ what: 'p99', value: 30, unit: 'ms', atMost: 25 }]))
  expect(page).toContain('| p99 | 30.0 ms |  |  | ≤ 25 | **missed** |')
  expect(page).toContain('**0 of 1 targets met**')
  const failed = { ...report([]), results: [{ row: 'ingest', about: '', error: 'Error: so\n  at x' }] }
  expect(performancePage(failed)).toContain('The measurement failed: Error: so')
})

test('a row that nobody knows is refused with the names of those there are', () => {
  const script = fileURLToPath(new URL('../../bench/run.ts', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [script, 'nothing'], { encoding: 'utf8' })
  expect(stderr).toMatch(/^No row is called nothing: there are ingest, .*end-to-end/)
  expect(status).toBe(1)
})
