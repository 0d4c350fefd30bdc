import type { Json } from '../domain/json.ts'
import { compileWhen } from './compile-conditions.ts'
import { compileTaken } from './compile-lists.ts'
import { compileNode } from './compile-values.ts'
import type { CompiledCondition, CompiledNode, Compiler } from './compiler.ts'
import type { Node, When } from './mapping.ts'
import { memoizeByKey } from './memoized.ts'
import { type EvaluationScope, tracePart } from './scope.ts'
import { UnreadableError } from './unreadable.ts'

/** For evaluations that nobody listens to. */
const plain: Compiler = {
  compileValue: memoizeByKey((node: Node) => compileNode(node, plain)),
  compileCondition: memoizeByKey((when: When) => compileWhen(when, plain)),
  compileShape: memoizeByKey((shape: object) => compilePart(shape, plain, '')),
  compileElements: memoizeByKey((list) => compileTaken(list, plain)),
  readUntraced: (node, scope) => plain.compileValue(node)(scope),
}

/** For explanations: the same functions, in which every part is read through the trace. */
const traced: Compiler = {
  compileValue: memoizeByKey((node: Node): CompiledNode => {
    const read = compileNode(node, traced)
    return (scope) => tracePart(node, scope, () => read(scope))
  }),
  compileCondition: memoizeByKey((when: When): CompiledCondition => {
    const holds = compileWhen(when, traced)
    return (scope) => tracePart(when, scope, () => holds(scope))
  }),
  compileShape: memoizeByKey((shape: object) => compilePart(shape, traced, '')),
  compileElements: memoizeByKey((list) => compileTaken(list, traced)),
  readUntraced: plain.readUntraced,
}

/** The compiler whose functions read in a scope. */
export const compilerFor = ({ trace }: Pick<EvaluationScope, 'trace'>): Compiler => (trace ? traced : plain)

/** A shape or one of its leaves; `at` is where it stands in a body. */
function compilePart(part: Json, compiler: Compiler, at: string): CompiledNode {
  if ('op' in part) return compileLeaf(part, compiler, at)
  const fields = Object.keys(part).map((name) => ({ name, read: compileField(part, name, { compiler, at }) }))
  return (scope) => {
    const built: Record<string, Json> = {}
    for (const { name, read } of fields) built[name] = read(scope)
    return built
  }
}

function compileField(shape: Json, name: string, { compiler, at }: { compiler: Compiler; at: string }): CompiledNode {
  const read = compilePart(shape[name], compiler, `${at}.${name}`)
  if (compiler === plain) return read
  const field = { op: 'field', name } as const
  return (scope) => tracePart(field, scope, () => read(scope))
}

function compileLeaf(node: Node, compiler: Compiler, at: string): CompiledNode {
  const read = compiler.compileValue(node)
  return (scope) => {
    try {
      return read(scope)
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error
      error.at = at
      scope.unreadable?.push(error)
      return null
    }
  }
}
