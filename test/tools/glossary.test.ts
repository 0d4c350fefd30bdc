import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { wordsOfName } from '../../tools/function-names.ts'
import { ROOT, readSourceFiles, walkSyntax } from '../../tools/source-code.ts'

const page = readFileSync(`${ROOT}/docs/glossary.md`, 'utf8')
const terms = [...page.matchAll(/^\| ([a-z ]+) \| .+ \| `([^`]+)` \|$/gm)].map(([, term = '', path = '']) => ({
  term,
  path,
}))
const files = new Map(readSourceFiles(['src']).map((file) => [file.path, file]))

/** The names in a file, each as its words in lower case and without a plural's s: ` start check `. */
function namesIn(path: string): string[] {
  const names = new Set<string>()
  walkSyntax(files.get(path)?.program, (node) => {
    if (node.type === 'Identifier') names.add(String(node.name))
  })
  return [...names].map((name) => ` ${wordsOfName(name).map(toSingular).join(' ')} `)
}

const toSingular = (word: string) => word.toLowerCase().replace(/ies$/, 'y').replace(/s$/, '')

describe('docs/glossary.md', () => {
  test('explains every word that the architecture page does not explain itself', () => {
    const architecture = readFileSync(`${ROOT}/docs/architecture.md`, 'utf8')
    const italics = [...architecture.matchAll(/(?<![*\w])\*([a-z ]+)\*(?!\*)/g)].map(([, word = '']) => word)
    const readme = readFileSync(`${ROOT}/README.md`, 'utf8')
    const known = [
      ...terms.map(({ term }) => term),
      ...[...readme.matchAll(/^\| ([a-z ]+) \|/gm)].map(([, word]) => word),
    ]
    expect(italics.filter((word) => word !== 'italics' && !known.includes(word))).toEqual([])
  })

  test.each(terms)('$term stands in the code of $path', ({ term, path }) => {
    expect(files.has(path)).toBe(true)
    const words = ` ${term.split(' ').map(toSingular).join(' ')} `
    expect(namesIn(path).some((name) => name.includes(words))).toBe(true)
  })

  test('is in alphabetical order', () => {
    expect(terms.length).toBeGreaterThan(20)
    expect(terms).toEqual(terms.toSorted((a, b) => a.term.localeCompare(b.term)))
  })
})
