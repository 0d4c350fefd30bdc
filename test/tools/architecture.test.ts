import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { circlesBetweenSiblings, type ImportGraph, importGraph, roomOf } from '../../tools/import-graph.ts'
import { ROOT, readSourceFiles } from '../../tools/source-code.ts'

const page = readFileSync(`${ROOT}/docs/architecture.md`, 'utf8')
const [, graphText = ''] = page.split('## Code map')[1]?.match(/```mermaid\n([\s\S]*?)```/) ?? []
const product = readSourceFiles(['src', 'mappings', 'simulator'])

/** Stages of the flow and what works beside them: rooms that never import one another. */
const APART = ['receive', 'normalize', 'hydrate', 'fanout', 'deliver', 'backfill', 'replay', 'retention'].concat([
  'operations',
  'metrics',
  'traces',
  'api',
])

/** The box that all others import, so that arrows to it are not drawn. */
const FOUNDATION = 'foundation'

/** `name["gateway.ts · jobs.ts"]`: the rooms that each box of the graph stands for. */
function boxesOfGraph(): Map<string, string[]> {
  return new Map(
    [...graphText.matchAll(/^\s*(\w+)\["([^"]+)"\]/gm)].map(([, box = '', label = '']) => [
      box,
      (label.split('<br/>').at(-1) ?? '').split(' · ').map((room) => room.trim()),
    ]),
  )
}

/** `from --> one & other`: what the graph says imports what. */
const arrowsOfGraph = (): string[] =>
  [...graphText.matchAll(/^\s*(\w+) --> (.+)$/gm)]
    .flatMap(([, from = '', to = '']) => to.split('&').map((one) => `${from} --> ${one.trim()}`))
    .sort()

const arrows = (graph: ImportGraph): string[] =>
  [...graph].flatMap(([from, targets]) => [...targets].map((to) => `${from} --> ${to}`)).sort()

describe('docs/architecture.md', () => {
  const boxes = boxesOfGraph()
  const boxOf = new Map([...boxes].flatMap(([box, rooms]) => rooms.map((room) => [room, box])))

  test('has every room in one box of its graph, and no room that does not exist', () => {
    const rooms = [...new Set(product.map(({ path }) => roomOf(path)))].sort()
    expect([...boxes.values()].flat().sort()).toEqual(rooms)
  })

  test('draws the imports there are, and no others', () => {
    const graph = importGraph(product, (path) => boxOf.get(roomOf(path)) ?? null)
    expect(graph.get(FOUNDATION)).toEqual(new Set())
    for (const targets of graph.values()) targets.delete(FOUNDATION)
    expect(arrowsOfGraph()).toEqual(arrows(graph))
  })

  test('has a line in the code map for each room', () => {
    const rooms = [...page.matchAll(/^\| `([^`]+?)\/?`/gm)].map(([, room = '']) => room.split('/').at(-1))
    for (const room of boxOf.keys()) expect(rooms, room).toContain(room)
  })
})

describe('rooms', () => {
  test('stand apart: they do not import one another', () => {
    const among = importGraph(product, (path) => (APART.includes(roomOf(path)) ? roomOf(path) : null))
    expect(among.size).toBe(APART.length)
    expect(arrows(among)).toEqual([])
  })

  test('are handed to one another by the gateway and the command line alone', () => {
    const outside = product.filter(({ path }) => !APART.includes(roomOf(path)))
    const importers = outside.filter(({ imports }) => imports.some((path) => APART.includes(roomOf(path))))
    expect([...new Set(importers.map(({ path }) => roomOf(path)))].sort()).toEqual(
      ['cli', 'gateway.ts', 'jobs.ts', 'observe.ts', 'processes', 'rooms.ts', 'startup'].sort(),
    )
  })

  test('mappings do no input or output: they import the language, the contracts and pure types, and nothing of Node', () => {
    const files = readSourceFiles(['mappings'])
    const rooms = new Set(files.flatMap(({ imports }) => imports.map(roomOf)))
    expect([...rooms].sort()).toEqual(['contracts', 'domain', 'language', 'mappings'])
    expect(files.filter(({ text }) => /from '(?:node:|pg|undici)/.test(text)).map(({ path }) => path)).toEqual([])
  })

  test('there is no circle between files or folders, types counted', () => {
    expect(circlesBetweenSiblings(readSourceFiles(['src', 'mappings', 'simulator', 'tools']))).toEqual([])
  })

  test('src itself holds a dozen files at most', () => {
    const loose = product.map(({ path }) => path).filter((path) => /^src\/[^/]+$/.test(path))
    expect(loose.length).toBeLessThanOrEqual(12)
  })

  test('a test stands where its room stands', () => {
    const rooms = new Set([...product.map(({ path }) => roomOf(path).replace(/\.ts$/, '')), 'sdk', 'tools', 'whole'])
    const tests = readSourceFiles(['test']).filter(({ path }) => path.endsWith('.test.ts'))
    const misplaced = tests.filter(({ path }) => !rooms.has((path.split('/')[1] ?? '').replace(/\.test\.ts$/, '')))
    expect(misplaced.map(({ path }) => path)).toEqual([])
  })
})
