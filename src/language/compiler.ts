import type { Json } from '../domain/json.ts'
import { MappingError, type Node, type When } from './mapping.ts'
import { type EvaluationScope, scopeAnew } from './scope.ts'
import { kindOf, placeOf, placesOf, UnreadableError } from './unreadable.ts'

/** A node or a shape as a function: its value in a scope, where absent is null. */
export type CompiledNode = (scope: EvaluationScope) => Json
/** A condition as a function: whether it is true in a scope. */
export type CompiledCondition = (scope: EvaluationScope) => boolean
/** A list of which a condition takes elements. */
export interface ElementList {
  list: Node
  where: When | null
}

/**
 * Makes functions of the parts of mappings, each once: the part's kind, its paths and its tables are looked at when it is compiled
 * and not when it is read.
 */
export interface Compiler {
  compileValue(node: Node): CompiledNode
  compileCondition(when: When): CompiledCondition
  /** A shape with every leaf read; one that cannot be read is null. */
  compileShape(shape: Json): CompiledNode
  /** The elements that are taken. */
  compileElements(list: ElementList): (scope: EvaluationScope) => Json[]
  /** Reads a node for nothing but its value: to say where something stands. */
  readUntraced(node: Node, scope: EvaluationScope): Json
}

/** What a reader needs to say where it could not read on: the node, and the way to read its parts once more. */
export interface Refusing {
  node: Node
  compiler: Pick<Compiler, 'readUntraced'>
}

/** Where in the event a node is read. */
export const findPlace = ({ node, compiler }: Refusing, scope: EvaluationScope): string =>
  placeOf(node, scopeAnew(scope), compiler.readUntraced)

/** A value that cannot be read, with the place where it stands. */
export const unreadableAt = (refusing: Refusing, scope: EvaluationScope, message: string) =>
  new UnreadableError(findPlace(refusing, scope), message)

/** What a computation has thrown, as an error that says which values it could not read. */
export const refusalFrom = (error: unknown, refusing: Refusing, scope: EvaluationScope): MappingError =>
  error instanceof MappingError ? error : refusalOf(refusing, scope)

/** That a computation could not read its values: which they are, and of what kind. */
function refusalOf(refusing: Refusing, scope: EvaluationScope): UnreadableError {
  const { node, compiler } = refusing
  const parts = 'list' in node ? [node.list] : 'of' in node ? [node.of].flat() : [node]
  const untraced = scopeAnew(scope)
  const values = (parts as Node[]).map((part) => {
    const [place = 'a constant'] = placesOf(part, untraced, compiler.readUntraced)
    return `${place} is ${kindOf(readOrNull(() => compiler.readUntraced(part, untraced)))}`
  })
  const name = 'name' in node ? node.name : node.op
  return unreadableAt(refusing, scope, `cannot be read by “${name}”: ${values.join(', ')}`)
}

/** What an event may do without: what cannot be read is null. */
export function readOrNull<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (error instanceof MappingError) return null
    throw error
  }
}
