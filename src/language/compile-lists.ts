import type { Json } from '../domain/json.ts'
import { sumAmounts } from '../domain/money.ts'
import { type CompiledNode, type Compiler, type ElementList, findPlace, refusalFrom, unreadableAt } from './compiler.ts'
import type { Node, NodeOf } from './mapping.ts'
import { memoizeByKey } from './memoized.ts'
import { type EvaluationScope, scopeOfItem } from './scope.ts'
import { kindOf, UnreadableError } from './unreadable.ts'

/** The elements of a list that its condition takes. */
export function compileTaken({ list, where }: ElementList, compiler: Compiler): (scope: EvaluationScope) => Json[] {
  const readList = compileList(list, compiler)
  const isTaken = where && compiler.compileCondition(where)
  return (scope) => {
    const elements = readList(scope)
    if (elements === null) return []
    return isTaken ? elements.filter((item) => isTaken(scopeOfItem(scope, item, list))) : elements
  }
}

export function compileEach(node: NodeOf<'each'>, compiler: Compiler): CompiledNode {
  const takeElements = compiler.compileElements(node)
  const read = compiler.compileShape(node.shape)
  return (scope) => takeElements(scope).map((item) => read(scopeOfItem(scope, item, node.list)))
}

export function compileFold(node: NodeOf<'fold'>, compiler: Compiler): CompiledNode {
  const readList = compiler.compileValue(node.list)
  const takeElements = compiler.compileElements(node)
  const read = compiler.compileValue(node.of)
  const { name, list } = node
  return (scope) => {
    if (!Array.isArray(readList(scope))) return null
    const values = takeElements(scope).map((item) => read(scopeOfItem(scope, item, list)))
    if (name !== 'sum') {
      const present = values.filter((one) => typeof one === 'number')
      return present.length === 0 ? null : Math[name](...present)
    }
    if (values.includes(null)) return null
    try {
      return sumAmounts(values)
    } catch (error) {
      throw refusalFrom(error, { node, compiler }, scope)
    }
  }
}

export function compileChosen(node: NodeOf<'choose'>, compiler: Compiler): CompiledNode {
  const readList = compileList(node.list, compiler)
  const read = compiler.compileValue(node.of)
  const choose = (list: Json[], scope: EvaluationScope): Json => {
    try {
      return node.choose(list)
    } catch (error) {
      throw refusalFrom(error, { node, compiler }, scope)
    }
  }
  return (scope) => {
    const list = readList(scope)
    const item = list ? choose(list, scope) : null
    return item === null ? null : read(scopeOfItem(scope, item, node.list))
  }
}

/** Where a list holds what is no element, -1 where it does not: it is asked again for every element. */
const findHole = memoizeByKey((list: Json[]) =>
  list.findIndex((one) => typeof one !== 'string' && (typeof one !== 'object' || one === null)),
)

/** A list of objects or of ids, null when it is absent. */
export function compileList(node: Node, compiler: Compiler): (scope: EvaluationScope) => Json[] | null {
  const read = compiler.compileValue(node)
  const refusing = { node, compiler }
  return (scope) => {
    const list = read(scope)
    if (list === null) return null
    if (!Array.isArray(list)) throw unreadableAt(refusing, scope, `${kindOf(list)} is no list`)
    const hole = findHole(list)
    if (hole < 0) return list
    throw new UnreadableError(`${findPlace(refusing, scope)}.${hole}`, `${kindOf(list[hole])} is no element of a list`)
  }
}
