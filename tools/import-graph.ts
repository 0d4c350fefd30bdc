import { posix } from 'node:path'
import type { SourceFile } from './source-code.ts'

/** Who imports whom, by whatever the nodes stand for: rooms, folders, files. */
export type ImportGraph = Map<string, Set<string>>

/** The imports of `files` between the nodes that `nodeOf` maps their paths to; null: left out. Imports within one node are none. */
export function importGraph(files: readonly SourceFile[], nodeOf: (path: string) => string | null): ImportGraph {
  const graph: ImportGraph = new Map()
  for (const { path, imports } of files) {
    const from = nodeOf(path)
    if (from === null) continue
    const targets = graph.get(from) ?? new Set()
    graph.set(from, targets)
    for (const imported of imports) {
      const to = nodeOf(imported)
      if (to !== null && to !== from) targets.add(to)
    }
  }
  return graph
}

/** The room of a file: the folder of src it stands in, or the file itself where it stands in src; the top folder of others. */
export function roomOf(path: string): string {
  const [top = '', second = ''] = path.split('/')
  return top === 'src' ? second : top
}

/** One circle of the graph, its first node again at the end; null when there is none. */
function findCircle(graph: ImportGraph): string[] | null {
  const finished = new Set<string>()
  const visit = (node: string, path: readonly string[]): string[] | null => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node]
    if (finished.has(node)) return null
    for (const next of graph.get(node) ?? []) {
      const circle = visit(next, [...path, node])
      if (circle) return circle
    }
    finished.add(node)
    return null
  }
  for (const node of graph.keys()) {
    const circle = visit(node, [])
    if (circle) return circle
  }
  return null
}

/** A circle between the files and folders that stand side by side, for each folder that has one. */
export function circlesBetweenSiblings(files: readonly SourceFile[]): string[][] {
  const folders = new Set(files.flatMap(({ path }) => ancestorsOf(path)))
  return [...folders].flatMap((folder) => {
    const childOf = (path: string) =>
      path.startsWith(`${folder}/`) ? `${folder}/${path.slice(folder.length + 1).split('/')[0]}` : null
    const circle = findCircle(importGraph(files, childOf))
    return circle ? [circle] : []
  })
}

function ancestorsOf(path: string): string[] {
  const folder = posix.dirname(path)
  return folder === '.' ? [] : [...ancestorsOf(folder), folder]
}
