import type { Json } from '../domain/json.ts'
import { compileWhen } from './compile-conditions.ts'
import { compileTaken } from './compile-lists.ts'
import { compileNode } from './compile-values.ts'
import type { CompiledCondition, CompiledNode, Compiler } from './compiler.ts'
import type { Node, When } from './mapping.ts'
import { memoizeByKey } from './memoized.ts'
import { hasShapeWithin, isOfStateAlone } from './readings.ts'
import { type EvaluationScope, noteUnreadable, readNoting, tracePart } from './scope.ts'
import { UnreadableError } from './unreadable.ts'

/** For evaluations that nobody listens to. */
const plain: Compiler = {
  compileValue: compileKept((node: Node) => compileNode(node, plain)),
  compileCondition: compileKept((when: When) => compileWhen(when, plain)),
  compileShape: memoizeByKey((shape: object) => compilePart(shape, plain, '')),
  compileElements: memoizeByKey((list) => compileTaken(list, plain)),
  readUntraced: (node, scope) => plain.compileValue(node)(scope),
}

/** For explanations: the same functions, in which every part is read through the trace. */
const traced: Compiler = {
  compileValue: memoizeByKey((node: Node): CompiledNode => {
    const read = compileNode(node, traced)
    return (scope) => tracePart(node, scope, read)
  }),
  compileCondition: memoizeByKey((when: When): CompiledCondition => {
    const holds = compileWhen(when, traced)
    return (scope) => tracePart(when, scope, holds)
  }),
  compileShape: memoizeByKey((shape: object) => compilePart(shape, traced, '')),
  compileElements: memoizeByKey((list) => compileTaken(list, traced)),
  readUntraced: plain.readUntraced,
}

/** Kinds that cost less to read again than to look up. */
const PLAIN_KINDS: ReadonlySet<string> = new Set(['from', 'event', 'always', 'type', 'is', 'not', 'priorKnown'])

/** Compiles each part once; what several ask for, and is made of the object's state alone, is kept in the scope's readings. */
function compileKept<Part extends { op: string }, Value>(
  compile: (part: Part) => (scope: EvaluationScope) => Value,
): (part: Part) => (scope: EvaluationScope) => Value {
  const compileOnce = memoizeByKey((part: Part) => {
    const read = compile(part)
    const place = { askers: 0 }
    if (PLAIN_KINDS.has(part.op) || !isOfStateAlone(part)) return { place, read }
    return { place, read: (hasShapeWithin(part) ? keepWithRefusals : keepValue)(read, place) }
  })
  return (part) => {
    const { place, read } = compileOnce(part)
    place.askers += 1
    return read
  }
}

/** A part whose value is kept; where nothing is kept in the scope, or nobody else asks for it, it is read. */
const keepValue =
  <Value>(read: (scope: EvaluationScope) => Value, place: Place) =>
  (scope: EvaluationScope): Value => {
    const known = scope.readings?.own
    if (known === undefined || place.askers < 2) return read(scope)
    const kept = known.get(place)
    if (kept !== undefined) return kept
    const value = read(scope)
    known.set(place, value)
    return value
  }

/** The same of a part whose value has null where something could not be read: what that was is told each time. */
const keepWithRefusals =
  <Value>(read: (scope: EvaluationScope) => Value, place: Place) =>
  (scope: EvaluationScope): Value => {
    const known = scope.readings?.own
    if (known === undefined || place.askers < 2) return read(scope)
    const kept: ReturnType<typeof readNoting<Value>> | undefined = known.get(place)
    if (kept) {
      noteUnreadable(scope, kept.unreadable)
      return kept.value
    }
    const fresh = readNoting(scope, read)
    known.set(place, fresh)
    return fresh.value
  }

/** What a part's value is kept by, and how many ask for it. */
interface Place {
  askers: number
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
  return (scope) => tracePart(field, scope, read)
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
