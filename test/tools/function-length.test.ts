import { expect, test } from 'vitest'
import { isSyntaxNode, readSourceFiles, type SyntaxNode, walkSyntax } from '../../tools/source-code.ts'

// Biome holds this everywhere else; it cannot except the callbacks of `describe`, which are lists of tests and not functions.
const MAX_LINES = 70

const isDescribe = (callee: unknown): boolean =>
  isSyntaxNode(callee) &&
  (callee.name === 'describe' || isDescribe(callee.object) || isDescribe(callee.callee) || isDescribe(callee.tag))

test('no function of a test is longer than 70 lines, callbacks of describe excepted', () => {
  const tooLong: string[] = []
  for (const { path, text, program } of readSourceFiles(['test']).filter(({ path: file }) =>
    file.endsWith('.test.ts'),
  )) {
    const excepted = new Set<unknown>()
    walkSyntax(program, (node: SyntaxNode) => {
      if (node.type === 'CallExpression' && isDescribe(node.callee) && Array.isArray(node.arguments))
        for (const given of node.arguments) excepted.add(given)
      if (!/Function/.test(node.type) || excepted.has(node) || !isSyntaxNode(node.body)) return
      const lines = text.slice(node.body.start, node.body.end).split('\n').length
      if (lines > MAX_LINES) tooLong.push(`${path}:${text.slice(0, node.start).split('\n').length}: ${lines} lines`)
    })
  }
  expect(tooLong).toEqual([])
})
