import { isDeepStrictEqual } from 'node:util'
import { isGreater } from '../domain/money.ts'
import { compileList } from './compile-lists.ts'
import { type CompiledCondition, type Compiler, readOrNull, refusalFrom } from './compiler.ts'
import { set, unset, type When } from './mapping.ts'
import { digestOf } from './memory.ts'
import { type EvaluationScope, scopeOfItem, scopeOfState } from './scope.ts'

/** The function of a condition, by its kind. */
export function compileWhen(when: When, compiler: Compiler): CompiledCondition {
  switch (when.op) {
    case 'type': {
      const { types } = when
      return (scope) => types.includes(scope.event.type)
    }
    case 'is':
      return compileIs(when, compiler)
    case 'more':
    case 'same':
      return compileComparison(when, compiler)
    case 'any':
    case 'all':
      return compileJunction(when, compiler)
    case 'not': {
      const holds = compiler.compileCondition(when.of)
      return (scope) => !holds(scope)
    }
    case 'was':
    case 'stored':
    case 'became':
    case 'ceased':
      return compileOfState(when, compiler)
    case 'changed': {
      const read = compiler.compileShape(when.shape)
      return (scope) => scope.prior !== null && !isDeepStrictEqual(read(scope), read(scopeOfState(scope, 'prior')))
    }
    case 'differsFromLast': {
      const read = compiler.compileShape(when.shape)
      return (scope) => scope.memory.said[scope.mapping ?? '']?.digest !== digestOf(read(scope))
    }
    case 'priorKnown':
      return (scope) => scope.prior !== null
    case 'memory': {
      const { flag } = when
      return (scope) => scope.memory.flags[flag] === true
    }
    case 'some':
      return compileSome(when, compiler)
    default:
      return when satisfies never
  }
}

type WhenOf<Op extends When['op']> = Extract<When, { op: Op }>

function compileIs({ node, values }: WhenOf<'is'>, compiler: Compiler): CompiledCondition {
  const read = compiler.compileValue(node)
  const [isSet, isUnset] = [values.includes(set), values.includes(unset)]
  return (scope) => {
    const actual = read(scope)
    return values.includes(actual) || (actual === null ? isUnset : isSet)
  }
}

function compileComparison({ op, node, than }: WhenOf<'more' | 'same'>, compiler: Compiler): CompiledCondition {
  const [readOne, readOther] = [compiler.compileValue(node), compiler.compileValue(than)]
  return (scope) => {
    const [a, b] = [readOne(scope), readOther(scope)]
    if (a === null || b === null) return false
    if (op === 'same') return a === b
    try {
      return isGreater(a, b)
    } catch (error) {
      throw refusalFrom(error, { node, compiler }, scope)
    }
  }
}

function compileJunction({ op, of }: WhenOf<'any' | 'all'>, compiler: Compiler): CompiledCondition {
  const parts = of.map(compiler.compileCondition)
  const settling = op === 'any'
  return (scope) => {
    for (const holds of parts) if (holds(scope) === settling) return settling
    return !settling
  }
}

/** What is asked of an earlier state beside, or instead of, the one of the event. */
function compileOfState(
  { op, of }: WhenOf<'was' | 'stored' | 'became' | 'ceased'>,
  compiler: Compiler,
): CompiledCondition {
  const holds = compiler.compileCondition(of)
  // A state that cannot be read is none of which it is true.
  const heldIn = (state: 'prior' | 'stored', scope: EvaluationScope) =>
    readOrNull(() => holds(scopeOfState(scope, state))) ?? false
  switch (op) {
    case 'was':
      return (scope) => scope.prior !== null && heldIn('prior', scope)
    case 'stored':
      return (scope) => scope.stored !== null && heldIn('stored', scope)
    case 'became':
      return (scope) => holds(scope) && scope.prior !== null && !heldIn('prior', scope)
    case 'ceased':
      return (scope) => !holds(scope) && scope.prior !== null && heldIn('prior', scope)
    default:
      return op satisfies never
  }
}

function compileSome({ list, where }: WhenOf<'some'>, compiler: Compiler): CompiledCondition {
  const readList = compileList(list, compiler)
  const holds = compiler.compileCondition(where)
  return (scope) => {
    const elements = readList(scope)
    return elements?.some((item) => holds(scopeOfItem(scope, item, list))) ?? false
  }
}
