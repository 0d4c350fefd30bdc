import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const THIS_FILE = 'test/tools/citations.test.ts'

const findFiles = (...patterns: string[]) =>
  globSync(patterns, { cwd: root, exclude: (path) => /(^|\/)(node_modules|dist|results)$/.test(path) }).sort()
const readText = (file: string) => readFileSync(join(root, file), 'utf8')

const pages = findFiles('*.md', 'docs/**/*.md', 'sdk/README.md', '.github/*.md')
const sources = findFiles(
  '{bench,bin,demo,mappings,ops,sdk,simulator,sql,src,test,tools,torture}/**/*.{ts,js,sql,yml}',
  '*.ts',
).filter((file) => file !== THIS_FILE)
const decisions = findFiles('docs/adr/[0-9]*.md').filter((file) => !file.includes('0000-template'))

/** The text without what stands in fenced blocks; lines keep their numbers. */
const withoutCodeBlocks = (text: string) =>
  text.replaceAll(/^( *)```[\s\S]*?^\1```/gm, (block) => block.replaceAll(/[^\n]/g, ''))
const readPage = (file: string) => withoutCodeBlocks(readText(file))

const headingsOf = (file: string) =>
  [...readPage(file).matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, heading = '']) => heading)

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(file: string): Set<string> {
  const anchors = new Set<string>()
  for (const heading of headingsOf(file)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    const slug = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-')
    let anchor = slug
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`
    anchors.add(anchor)
  }
  return anchors
}

/** `2.7` for a heading such as `### 2.7 Order, duplicates, gaps`. */
const sectionsOf = (file: string) =>
  new Set(headingsOf(file).flatMap((heading) => /^(\d+(?:\.\d+)*)\.? /.exec(heading)?.[1] ?? []))

/** Each match as `file:line: text`. */
function findMatches(file: string, text: string, pattern: RegExp, isWrong: (match: RegExpMatchArray) => boolean) {
  return [...text.matchAll(pattern)].filter(isWrong).map((match) => {
    const line = text.slice(0, match.index).split('\n').length
    return `${file}:${line}: ${match[0].trim()}`
  })
}

const SECTION = String.raw`\d+(?:\.\d+)*`
/** `docs/stripe.md 2.7`, also `docs/stripe.md 4.8, 4.12`. */
const CITATION = new RegExp(String.raw`([\w./-]+\.md) (${SECTION}(?:, \d+\.\d+)*)(?![\w.]*\w)`, 'g')

test('every cited section of a page exists', () => {
  const wrong = [...sources, ...pages].flatMap((file) =>
    findMatches(file, readText(file), CITATION, ([, page = '', numbers = '']) => {
      if (!existsSync(join(root, page))) return true
      const sections = sectionsOf(page)
      return numbers.split(', ').some((number) => !sections.has(number))
    }),
  )
  expect(wrong).toEqual([])
})

test('every section that docs/stripe.md cites of itself exists', () => {
  const file = 'docs/stripe.md'
  const sections = sectionsOf(file)
  const inBrackets = /[(|] ?((?:\d\.\d{1,2}(?:, )?)+) ?[)|]/g
  const isWrong = ([, numbers = '']: RegExpMatchArray) => numbers.split(', ').some((number) => !sections.has(number))
  expect(findMatches(file, readPage(file), inBrackets, isWrong)).toEqual([])
  expect(sections.size).toBeGreaterThan(35)
})

test('every page that is named in code, comments and docs exists', () => {
  const pattern = /(?<![\w./-])(?:docs\/[\w./-]+|README|CONTRIBUTING|CHANGELOG|SECURITY)\.md\b/g
  const wrong = [...sources, ...pages].flatMap((file) =>
    findMatches(file, readText(file), pattern, ([page]) => !existsSync(join(root, page))),
  )
  expect(wrong).toEqual([])
})

test('nothing is cited that is not in the repository, and pages are named by their path', () => {
  const elsewhere = /\.\.\/shared|(?<![\w-])(?:DESIGN|HOUSE|STYLE|PEOPLE|mapping-prototype|pump-prototype)\.md/g
  const withoutPath = /(?<![\w/.-])(?:stripe|flo-v1|florentin)\.md\b/g
  const withoutLinks = (text: string) => text.replaceAll(/\[[^\]]*\]\([^)]*\)/g, (link) => ' '.repeat(link.length))
  const wrong = [...sources, ...pages].flatMap((file) => {
    const text = readText(file)
    const bare = file.endsWith('.md') ? withoutLinks(text) : text
    return [...findMatches(file, text, elsewhere, () => true), ...findMatches(file, bare, withoutPath, () => true)]
  })
  expect(wrong).toEqual([])
})

test('every link of the pages leads to a file and a heading', () => {
  const wrong = pages.flatMap((file) =>
    findMatches(file, readPage(file), /\[[^\]]*\]\(([^()\s]+)\)/g, ([, target = '']) => {
      if (/^[a-z]+:/.test(target)) return false
      const [path = '', anchor] = target.split('#')
      const linked = path === '' ? file : normalize(join(dirname(file), path))
      if (linked.startsWith('..') || !existsSync(join(root, linked))) return true
      return anchor !== undefined && linked.endsWith('.md') && !anchorsOf(linked).has(anchor)
    }),
  )
  expect(wrong).toEqual([])
})

test('every decision that is cited by number exists', () => {
  const numbers = new Set(decisions.map((file) => Number(/\d{4}/.exec(file)?.[0])))
  const wrong = [...sources, ...pages].flatMap((file) =>
    findMatches(file, readText(file), /\bADR[- ]?(\d+)/g, ([, number]) => !numbers.has(Number(number))),
  )
  expect(wrong).toEqual([])
})

test('the table of decisions lists each with its title, date and status', () => {
  const rows = decisions.map((file) => {
    const text = readText(file)
    const [, number, name] = /((\d{4})-[\w-]+\.md)$/.exec(file) ?? []
    const [, title] = /^# (.+)$/m.exec(text) ?? []
    const [, date] = /^- Date: (\d{4}-\d{2}-\d{2})$/m.exec(text) ?? []
    const [, status] = /^- Status: (.+)$/m.exec(text) ?? []
    return `| [${name}](${number}) | ${title} | ${date} | ${status} |`
  })
  const listed = readText('docs/adr/README.md')
    .split('\n')
    .filter((line) => /^\| \[\d/.test(line))
  expect(listed).toEqual(rows)
})

test('every decision says its context, the decision, the alternatives and what follows', () => {
  for (const file of decisions)
    expect(headingsOf(file).slice(1), file).toEqual(['Context', 'Decision', 'Alternatives considered', 'Consequences'])
})
