import type { Json } from '../../src/domain/json.ts'

/** Which shape an object is rendered in. */
export interface Shape {
  /** As `event.api_version` has it. */
  version: string
  /** The version's date, which decides. */
  date: string
  livemode: boolean
  /** `<object id> <member>` of the additive members that hold something in some state of the object, see `added`. */
  filledMembers: Set<string>
}

interface Identified {
  id?: string | null
}

const RANGE = Symbol('range')
interface Range<F> {
  [RANGE]: true
  since: string
  until: string
  node: Node<F>
  /** Of an additive member: whether a value is worth showing before the member's time. */
  isWorthShowing: ((facts: F) => boolean) | null
}
/** How one member of an object is rendered: a constant, a function of the facts, a nested table, or these for some versions. */
export type Node<F> =
  | null
  | boolean
  | number
  | string
  | readonly never[]
  | ((facts: F, shape: Shape) => Json)
  | Range<F>
  | { [member: string]: Node<F> }
/** A member is absent where its node says `undefined` or the version is out of its range. */
export type Fields<F> = Record<string, Node<F>>

const newRange = <F>(
  since: string,
  until: string,
  node: Node<F>,
  worth: Range<F>['isWorthShowing'] = null,
): Range<F> => ({
  [RANGE]: true,
  since,
  until,
  node,
  isWorthShowing: worth,
})
/** From this version on. */
export const since = <F>(date: string, node: Node<F>): Range<F> => newRange(date, '9', node)
/** Before this version. */
export const until = <F>(date: string, node: Node<F>): Range<F> => newRange('0', date, node)
/** From one version on, before another. */
export const between = <F>(from: string, to: string, node: Node<F>): Range<F> => newRange(from, to, node)
/**
 * A member that Stripe added to all versions alike (https://docs.stripe.com/upgrades#what-changes-does-stripe-consider-to-be-backward-compatible).
 * Recordings of older versions are from before its time, so these versions show it only on objects in whose life it holds something.
 */
export const added = <F>(date: string, node: Node<F>, worth: (facts: F) => boolean): Range<F> =>
  newRange(date, '9', node, worth)
/** The first of several ranges that the version falls into. */
export const either =
  <F extends Identified>(...nodes: Range<F>[]): ((facts: F, shape: Shape) => Json) =>
  (facts, shape) => {
    const matching = nodes.find((node) => shape.date >= node.since && shape.date < node.until)
    return matching && renderNode(matching.node, facts, shape)
  }

/** An object in the shape of a version. Render all states of all objects once before the rendering that counts: `added` looks at whole lives. */
export function renderObject<F extends Identified>(fields: Fields<F>, facts: F, shape: Shape): Json {
  const json: Record<string, Json> = {}
  for (const [member, node] of Object.entries(fields)) {
    const value = isRange(node) ? renderRange(node, member, facts, shape) : renderNode(node, facts, shape)
    if (value !== undefined) json[member] = value
  }
  return json
}

function renderRange<F extends Identified>(node: Range<F>, member: string, facts: F, shape: Shape): Json {
  const key = `${facts.id} ${member}`
  if (node.isWorthShowing?.(facts)) shape.filledMembers.add(key)
  const fits = shape.date >= node.since && shape.date < node.until
  return fits || (node.isWorthShowing !== null && shape.filledMembers.has(key))
    ? renderNode(node.node, facts, shape)
    : undefined
}

function renderNode<F extends Identified>(node: Node<F>, facts: F, shape: Shape): Json {
  if (typeof node === 'function') return node(facts, shape)
  if (node === null || typeof node !== 'object') return node
  if (Array.isArray(node)) return []
  return isRange(node) ? renderRange(node, '', facts, shape) : renderObject(node as Fields<F>, facts, shape)
}

const isRange = <F>(node: Node<F>): node is Range<F> => typeof node === 'object' && node !== null && RANGE in node

// As many as the first page of a list shows.
const PAGE = 10

/** A list as Stripe embeds it: its first page. */
export const renderList = (data: Json[], url: string): Json => ({
  object: 'list',
  data: data.slice(0, PAGE),
  has_more: data.length > PAGE,
  total_count: data.length,
  url,
})
/** Livemode, as every object says it. */
export const livemode = (_: unknown, shape: Shape): boolean => shape.livemode
