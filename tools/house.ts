// `npm run house`: the counts that CONTRIBUTING names, made from the files of src as they are.
import { type NamedFunction, namedFunctions, wordsOfName } from './function-names.ts'
import { readSourceFiles, type SourceFile, walkSyntax } from './source-code.ts'

/** The words that mappings are written in: what mappings/ imports from the language. They read as a language, not as calls. */
export function mappingWords(mappings: readonly SourceFile[]): Set<string> {
  const words = new Set<string>()
  for (const { program } of mappings)
    walkSyntax(program, (node) => {
      if (node.type !== 'ImportDeclaration') return
      const { source, specifiers } = node as unknown as ImportDeclaration
      if (/\/language\//.test(source.value)) for (const { local } of specifiers) words.add(local.name)
    })
  return words
}

interface ImportDeclaration {
  source: { value: string }
  specifiers: { local: { name: string } }[]
}

/** How long the names of functions are, in words; words of the mapping language are not counted. */
export function nameLengths(functions: readonly NamedFunction[], exceptions: ReadonlySet<string>) {
  const counted = functions.filter(({ name }) => !exceptions.has(name)).map(({ name }) => wordsOfName(name).length)
  const sum = counted.reduce((total, length) => total + length, 0)
  return {
    functions: counted.length,
    meanWords: sum / counted.length,
    oneWordShare: counted.filter((length) => length === 1).length / counted.length,
  }
}

/** Lines of the files in the middle, at the ninth tenth, and of the longest. */
export function fileLengths(files: readonly SourceFile[]) {
  const lines = files.map(({ text }) => text.trimEnd().split('\n').length).sort((a, b) => a - b)
  const at = (share: number) => lines[Math.min(lines.length - 1, Math.floor(share * lines.length))] ?? 0
  return { median: at(0.5), p90: at(0.9), max: at(1), total: lines.reduce((sum, one) => sum + one, 0) }
}

/** How often `any`, `as` (but `as const`) and `!` stand in for a type that the compiler could not tell. */
export function escapes(files: readonly SourceFile[]) {
  const found = { any: 0, as: 0, bang: 0 }
  for (const { text, program } of files)
    walkSyntax(program, (node) => {
      if (node.type === 'TSAnyKeyword') found.any += 1
      if (node.type === 'TSAsExpression' && !text.slice(node.start, node.end).endsWith('as const')) found.as += 1
      if (node.type === 'TSNonNullExpression') found.bang += 1
    })
  return found
}

function printCounts(): void {
  const files = readSourceFiles(['src'])
  const functions = namedFunctions(files)
  const { median, p90, max, total } = fileLengths(files)
  const { any, as, bang } = escapes(files)
  const names = nameLengths(functions, mappingWords(readSourceFiles(['mappings'])))
  const perThousand = (count: number) => ((count / total) * 1000).toFixed(1)
  const rows = [
    ['files, lines', `${files.length}, ${total}`],
    ['lines a file: median / p90 / max', `${median} / ${p90} / ${max}`],
    ['functions over 40 lines, per 1,000 lines', perThousand(functions.filter(({ lines }) => lines > 40).length)],
    ['named functions whose name is one word', `${(names.oneWordShare * 100).toFixed(0)} % of ${names.functions}`],
    ["words in a function's name, mean", names.meanWords.toFixed(2)],
    ['`any` / `as` / `!` per 1,000 lines', [any, as, bang].map(perThousand).join(' / ')],
  ]
  console.log(['| src | |', '| --- | --- |', ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n'))
}

if (import.meta.main) printCounts()
