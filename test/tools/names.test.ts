import { describe, expect, test } from 'vitest'
import { namedFunctions, wordsOfName } from '../../tools/function-names.ts'
import { mappingWords, nameLengths } from '../../tools/house.ts'
import { isSyntaxNode, readSourceFiles, type SyntaxNode, walkSyntax } from '../../tools/source-code.ts'

const src = readSourceFiles(['src'])
const exceptions = mappingWords(readSourceFiles(['mappings']))
const functions = namedFunctions(src).filter(({ name }) => !exceptions.has(name))

/** Past participles that do not end in -ed, and words in -ed that are none. */
const IRREGULAR = new Set(
  'begun bound broken brought built caught chosen done driven fallen found given gone held hidden kept known laid left lent lost made meant met paid read risen run said seen sent shown spent stood taken thought thrown told understood won written'
    .split(' ')
    // The base form as well, and so verbs.
    .filter((word) => !['read', 'run', 'found', 'left', 'bound'].includes(word)),
)
const VERBS_IN_ED = new Set(['embed', 'exceed', 'feed', 'need', 'proceed', 'seed', 'speed', 'succeed', 'shed'])
const isParticiple = (word: string) => IRREGULAR.has(word) || (/[a-z]ed$/.test(word) && !VERBS_IN_ED.has(word))

/** The interfaces, types and classes that files of src export, with the files that do. */
function exportedTypes(): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const { path, program } of src)
    for (const statement of program.body as unknown as SyntaxNode[]) {
      if (statement.type !== 'ExportNamedDeclaration' || !isSyntaxNode(statement.declaration)) continue
      const { type, id } = statement.declaration
      if (!/^(?:TSInterface|TSTypeAlias|Class)Declaration$/.test(type) || !isSyntaxNode(id)) continue
      found.set(String(id.name), [...(found.get(String(id.name)) ?? []), path])
    }
  return found
}

describe('names in src', () => {
  test('one exported type name means one thing', () => {
    const types = exportedTypes()
    expect(types.size).toBeGreaterThan(100)
    expect([...types].filter(([, paths]) => paths.length > 1)).toEqual([])
  })

  test('no function is named by a bare participle', () => {
    const bare = functions.filter(({ name }) => wordsOfName(name).length === 1 && isParticiple(name))
    expect(bare.map(({ name, path }) => `${path}: ${name}`)).toEqual([])
  })

  test('a callback that is told of something is named on…', () => {
    const bare: string[] = []
    for (const { path, program } of src)
      walkSyntax(program, (node) => {
        const name = voidCallbackName(node)
        if (name && isParticiple(wordsOfName(name).at(-1) ?? '') && !/^on[A-Z]/.test(name))
          bare.push(`${path}: ${name}`)
      })
    expect(bare).toEqual([])
  })

  test('no flag is a bare argument of a function of ours', () => {
    const own = new Set(functions.map(({ name }) => name))
    const flags: string[] = []
    for (const { path, program } of src)
      walkSyntax(program, (node) => {
        if (node.type !== 'CallExpression' || !isSyntaxNode(node.callee) || !own.has(String(node.callee.name))) return
        const given = Array.isArray(node.arguments) ? node.arguments : []
        if (given.some((one) => isSyntaxNode(one) && one.type === 'Literal' && typeof one.value === 'boolean'))
          flags.push(`${path}: ${String(node.callee.name)}`)
      })
    expect(flags).toEqual([])
  })

  test('a name of a function has 2.2 words or more in the mean, and one word in a quarter of them at most', () => {
    const { functions: counted, meanWords, oneWordShare } = nameLengths(functions, exceptions)
    expect(counted).toBeGreaterThan(1000)
    expect(meanWords).toBeGreaterThanOrEqual(2.2)
    expect(oneWordShare).toBeLessThanOrEqual(0.25)
  })
})

/** The name of an interface's member that is a function without an answer; undefined for all else. */
function voidCallbackName(node: SyntaxNode): string | undefined {
  if (node.type !== 'TSPropertySignature' || !isSyntaxNode(node.key) || !isSyntaxNode(node.typeAnnotation)) return
  const { typeAnnotation: type } = node.typeAnnotation
  if (!isSyntaxNode(type) || type.type !== 'TSFunctionType' || !isSyntaxNode(type.returnType)) return
  const { typeAnnotation: answer } = type.returnType
  return isSyntaxNode(answer) && answer.type === 'TSVoidKeyword' ? String(node.key.name) : undefined
}
