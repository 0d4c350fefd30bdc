import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Program, parseSync } from 'oxc-parser'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** A file of ours as written and as parsed; `path` is relative to the root of the repository. */
export interface SourceFile {
  path: string
  text: string
  program: Program
  /** Paths of our own files that it imports, types included, relative to the root of the repository. */
  imports: string[]
}

/** Every TypeScript file that git knows below `folders`, or that it would know when it was added. */
export function readSourceFiles(folders: readonly string[]): SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--', ...folders], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  return [...new Set(listed.split('\n'))].filter((path) => path.endsWith('.ts')).flatMap(readSourceFile)
}

function readSourceFile(path: string): SourceFile[] {
  let text: string
  try {
    text = readFileSync(`${ROOT}/${path}`, 'utf8')
  } catch {
    return [] // Deleted, and git has not been told yet.
  }
  const { program, module, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0]?.message}`)
  const dynamic = module.dynamicImports.map(({ moduleRequest: { start, end } }) => text.slice(start + 1, end - 1))
  const specifiers = [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) => entries.map(({ moduleRequest }) => moduleRequest?.value ?? '')),
    ...dynamic,
  ]
  const own = specifiers.filter((specifier) => specifier.startsWith('.'))
  return [{ path, text, program, imports: [...new Set(own.map((to) => posix.join(posix.dirname(path), to)))] }]
}

/** A node of the syntax tree, as far as these tools look at one. */
export interface SyntaxNode {
  type: string
  start: number
  end: number
  [key: string]: unknown
}

/** Calls `onNode` for each node below `node`, outermost first. */
export function walkSyntax(node: unknown, onNode: (node: SyntaxNode) => void): void {
  if (Array.isArray(node)) for (const one of node) walkSyntax(one, onNode)
  else if (isSyntaxNode(node)) {
    onNode(node)
    for (const value of Object.values(node)) if (typeof value === 'object') walkSyntax(value, onNode)
  }
}

export const isSyntaxNode = (value: unknown): value is SyntaxNode =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
