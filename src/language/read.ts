import type { Json } from '../domain/json.ts'
import { compilerFor } from './compile.ts'
import { compileId } from './compile-values.ts'
import { type ElementList, readOrNull, unreadableAt } from './compiler.ts'
import type { Node, When } from './mapping.ts'
import type { EvaluationScope } from './scope.ts'
import { kindOf } from './unreadable.ts'

// What is asked of single parts of mappings. Each part is compiled when it is asked for first.

/** Reads one node; absent is null. */
export const readValue = (node: Node, scope: EvaluationScope): Json => compilerFor(scope).compileValue(node)(scope)

/** Reads what an event may do without: what cannot be read is null. */
export const readIfReadable = (node: Node, scope: EvaluationScope): Json => readOrNull(() => readValue(node, scope))

/** Whether a condition is true of an event. */
export const isTrue = (when: When, scope: EvaluationScope): boolean => compilerFor(scope).compileCondition(when)(scope)

/** Whether a condition is true; one that cannot be read is not. */
export const isReadablyTrue = (when: When, scope: EvaluationScope): boolean =>
  readOrNull(() => isTrue(when, scope)) ?? false

/** A shape with every leaf read; one that cannot be read is null. */
export const buildShape = (shape: object, scope: EvaluationScope): Json => compilerFor(scope).compileShape(shape)(scope)

/** The elements of a list that `where` takes. */
export const selectElements = (list: ElementList, scope: EvaluationScope): Json[] =>
  compilerFor(scope).compileElements(list)(scope)

/** Reads something that names an object or a user: a text, or null. */
export const readId = (node: Node, scope: EvaluationScope): string | null => compileId(node, compilerFor(scope))(scope)

/** Reads a whole number of minor units, or null. */
export function readMinorUnits(node: Node, scope: EvaluationScope): number | null {
  const amount = readValue(node, scope)
  if (amount === null || Number.isSafeInteger(amount)) return amount
  throw unreadableAt({ node, compiler: compilerFor(scope) }, scope, `${kindOf(amount)} is no amount`)
}
