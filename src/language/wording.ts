import { type Node, type NodeOf, set, unset, type When } from './mapping.ts'

// The words of the mappings in words of English, for the catalog and for explanations.

/** How names, paths and values are set off from the sentence: not at all, or as Markdown does. */
export interface WordingStyle {
  formatName(text: string): string
  formatCode(text: string): string
  /** What it takes for a shape to have changed; every field of it by name where this is left out. */
  describeChange?(shape: object): string
}
const plain: WordingStyle = { formatName: (text) => text, formatCode: (text) => text }
/** Names in italics, paths and values as code. */
export const markdown: WordingStyle = { formatName: (text) => `*${text}*`, formatCode: (text) => `\`${text}\`` }

/** What is asked of the words for a node or condition that has a name: the name (default), or what it stands for. */
interface NameOptions {
  expandName?: boolean
}

/** Where a value comes from: `trial_end, else the latest of items.data: current_trial.end_date`. */
export function sourceWords(node: Node, style = plain, { expandName = false }: NameOptions = {}): string {
  if (node.called !== undefined && !expandName) return style.formatName(node.called)
  const converted = silentlyConverted(node)
  if (converted) return sourceWords(converted, style)
  const wordsOf = (of: Node) => sourceWords(of, style)
  const bracketedOf = (of: Node) => bracketedSource(of, style)
  switch (node.op) {
    case 'from':
      return pathWords(node, style)
    case 'event':
      return `the event's ${node.field === 'created' || node.field === 'at' ? 'time' : node.field}`
    case 'emitted':
      return 'the type of the event that is sent'
    case 'rank':
      return `the rank of ${bracketedOf(node.plan)} in the source's \`planRanks\``
    case 'always':
      return node.value === undefined ? 'left out' : style.formatCode(JSON.stringify(node.value))
    case 'firstOf':
      return node.of.flatMap(alternativesOf).map(wordsOf).join(', else ')
    case 'convert':
      return conversionWords(node, node.of.map(bracketedOf), style)
    case 'given':
      return `${isCompound(node.then) ? bracketedOf(node.then) : wordsOf(node.then)} if ${conditionWords(node.when, style)}${otherwiseWords(node, style)}`
    case 'byEvent': {
      const rows = Object.entries(node.table).map(([type, of]) => `on ${style.formatCode(type)} ${bracketedOf(of)}`)
      return `${rows.join(', ')}${otherwiseWords(node, style)}`
    }
    case 'kept':
      return keptWords(node, style)
    case 'user':
      return userWords(node, wordsOf)
    case 'uuid':
      return [
        'the one sent first',
        ...(node.linked ? [wordsOf(node.linked)] : []),
        `one derived from the source and ${bracketedOf(node.key)}`,
      ].join(', else ')
    case 'object':
      return Object.keys(node.shape).join(', ')
    case 'each':
      return `each of ${bracketedOf(node.list)}${whereWords(node, style)}`
    case 'fold':
      return `${foldWords(node)} over ${bracketedOf(node.list)} of ${bracketedOf(node.of)}${whereWords(node, style)}`
    case 'choose':
      return `${wordsOf(node.of)} of the ${node.name}`
    case 'occasion':
      return node.mark ? `when it ${node.what}` : `when it was last ${node.what}`
    case 'prior':
      return `${bracketedOf(node.of)} before`
    case 'tallied':
      return node.line ? 'what was refunded of the line so far' : 'what was refunded of the purchase so far'
    default:
      return node satisfies never
  }
}

const pathWords = ({ path, keys, until }: NodeOf<'from'>, style: WordingStyle): string => {
  if (keys.length === 0) return path
  return until ? `${style.formatCode(path)} (before ${until})` : style.formatCode(path)
}

const otherwiseWords = ({ otherwise }: { otherwise: Node }, style: WordingStyle): string =>
  isNothing(otherwise) ? '' : `, otherwise ${sourceWords(otherwise, style)}`

const whereWords = ({ where }: { where: When | null }, style: WordingStyle): string =>
  where ? ` where ${conditionWords(where, style)}` : ''

const foldWords = ({ name, of }: NodeOf<'fold'>): string => {
  const most = of.op === 'rank' ? 'the highest' : 'the latest'
  return { sum: 'the sum', max: most, min: 'the earliest' }[name]
}

function keptWords(node: NodeOf<'kept'>, style: WordingStyle): string {
  if (node.kind === 'link') return `the ${fieldWords(node.of)} tied to ${bracketedSource(node.key, style)}`
  if (node.of.op === 'from' && node.of.keys.length === 0) return keptObjectWords(node, style)
  return `${bracketedSource(node.of, style)} of ${keptObjectWords(node, style)}`
}

/** Another object by its key: the name of the key is that of the object. */
const keptObjectWords = ({ kind, key }: NodeOf<'kept'>, style: WordingStyle): string => {
  if (key.called !== undefined) return style.formatName(key.called)
  return key.op === 'kept' && key.kind === 'link'
    ? sourceWords(key, style)
    : `the ${kind} ${bracketedSource(key, style)}`
}
const fieldWords = (node: Node) => (node.op === 'from' ? node.path.replace('_', ' ') : node.op)
const bracketedSource = (node: Node, style: WordingStyle): string =>
  isCompound(node) ? `(${sourceWords(node, style)})` : sourceWords(node, style)
const isCompound = (node: Node): boolean =>
  node.called === undefined && (node.op === 'firstOf' || node.op === 'given' || isSilentlyCompound(node))
const isSilentlyCompound = (node: Node): boolean => {
  const converted = silentlyConverted(node)
  return converted !== null && isCompound(converted)
}
const isNothing = (node: Node) => node.op === 'always' && node.value === null
const alternativesOf = (node: Node): readonly Node[] =>
  node.op === 'firstOf' && node.called === undefined ? node.of.flatMap(alternativesOf) : [node]

/** Conversions that go without saying, since the contract says of what kind each field is. */
const SILENT_CONVERSIONS = new Set(['isoTime', 'idOf', 'upperCase', 'number', 'metadata', 'uuid', 'link', 'checkout'])

/** What such a conversion converts; null for every other node. */
const silentlyConverted = (node: Node): Node | null => {
  const [only, ...others] = node.op === 'convert' && SILENT_CONVERSIONS.has(node.name) ? node.of : []
  return only !== undefined && others.length === 0 ? only : null
}

function conversionWords(node: NodeOf<'convert'>, of: string[], style: WordingStyle): string {
  if (node.name === 'major') return `${of[0]} in major units`
  if (node.name === 'product') return of.join(' × ')
  if (node.name === 'minus') return of.join(' − ')
  if (node.table) return `${of[0]}${tableWords(node.table, style)}`
  return `${node.name} (from ${of.join('; ')})`
}

/** ` (canceled → expired)`; what a table leaves as it is goes without saying. */
function tableWords(table: object, style: WordingStyle): string {
  const rows = Object.entries(table).filter(([from, to]) => from !== to)
  return rows.length === 0
    ? ''
    : ` (${rows.map(([from, to]) => `${style.formatCode(from)} → ${style.formatCode(String(to))}`).join(', ')})`
}

function userWords(node: NodeOf<'user'>, source: (of: Node) => string): string {
  if (node.field === 'id') return "Flo's id of the user"
  if (node.field === 'email') return ["the registered user's", ...node.email.map(source)].join(', else ')
  return ["the registered user's", ...node.clientUserId.map(source), 'what an earlier event said of the customer'].join(
    ', else ',
  )
}

/** How a statement is said: of the object now, of its state before, of the change between them. */
type Tense = 'is' | 'is not' | 'was' | 'was not' | 'became' | 'ceased to be'

/** How something that is called by a name is said in each tense. */
const TENSE_WORDS: Record<Tense, (name: string) => string> = {
  is: (name) => name,
  'is not': (name) => `not ${name}`,
  was: (name) => `was ${name}`,
  'was not': (name) => `was not ${name}`,
  became: (name) => `became ${name}`,
  'ceased to be': (name) => `no longer ${name}`,
}

/** A condition: `status is canceled or incomplete_expired, and cancel_at is not set`. */
export function conditionWords(
  when: When,
  style = plain,
  { tense = 'is', expandName = false }: NameOptions & { tense?: Tense } = {},
): string {
  if (when.called !== undefined && !expandName) return TENSE_WORDS[tense](style.formatName(when.called))
  const sourceOf = (of: Node) => bracketedSource(of, style)
  const conditionOf = (of: When) => bracketedCondition(of, style)
  /** Said in the tense where the statement is a single one, else before all of it. */
  const inTenseWords = (of: When, other: Tense, before: string) =>
    of.op === 'is' || of.called !== undefined
      ? conditionWords(of, style, { tense: other })
      : `${before} ${bracketedCondition(of, style)}`
  switch (when.op) {
    case 'type':
      return `the event ${tense} ${when.types.map(style.formatCode).join(' or ')}`
    case 'is':
      if (asksIfKnown(when)) return `${keptObjectWords(when.node, style)} ${tense} known`
      if (when.node.op === 'occasion' && when.values[0] === set)
        return `it was ${tense === 'is not' ? 'never ' : ''}${when.node.what}`
      return `${sourceOf(when.node)} ${tense} ${valueWords(when.values, style)}`
    case 'more':
      return `${sourceOf(when.node)} is more than ${sourceOf(when.than)}`
    case 'same':
      return `${sourceOf(when.node)} equals ${sourceOf(when.than)}`
    case 'any':
      return when.of.map(conditionOf).join(' or ')
    case 'all':
      return when.of.length === 0 ? 'always' : when.of.map(conditionOf).join(' and ')
    case 'not':
      return negatedWords(when.of, style)
    case 'was':
      return inTenseWords(when.of, 'was', 'before, it was true that')
    case 'became':
      return inTenseWords(when.of, 'became', 'it became true that')
    case 'ceased':
      return inTenseWords(when.of, 'ceased to be', 'it is no longer true that')
    case 'stored':
      return `${inTenseWords(when.of, 'was', 'it was true that')} when last seen`
    case 'changed':
      return (
        style.describeChange?.(when.shape) ??
        `one of these changed: ${fieldNames(when.shape).map(style.formatCode).join(', ')}`
      )
    case 'differsFromLast':
      return 'it differs from what was last sent'
    case 'priorKnown':
      return 'its state before is known'
    case 'memory':
      return `it is remembered as ${when.flag}`
    case 'some':
      return someWords('one', when, style)
    default:
      return when satisfies never
  }
}

/** A condition that is said as a name: `one-off`, `not metered`. */
const isSaidOfName = (when: When): boolean =>
  when.called !== undefined || (when.op === 'not' && when.of.called !== undefined)
const someWords = (howMany: 'one' | 'none', { list, where }: Extract<When, { op: 'some' }>, style: WordingStyle) => {
  const [elements, condition] = [`${howMany} of ${bracketedSource(list, style)}`, bracketedCondition(where, style)]
  return isSaidOfName(where) ? `${elements} is ${condition}` : `in ${elements}, ${condition}`
}

type IsCondition = Extract<When, { op: 'is' }>
/** A kept object's id is set as soon as the object is known. */
const asksIfKnown = (when: IsCondition): when is IsCondition & { node: NodeOf<'kept'> } =>
  when.node.op === 'kept' &&
  when.node.of.op === 'from' &&
  when.node.of.path === 'id' &&
  when.values.length === 1 &&
  when.values[0] === set

function negatedWords(of: When, style: WordingStyle): string {
  if (of.called !== undefined || of.op === 'is' || of.op === 'type')
    return conditionWords(of, style, { tense: 'is not' })
  if (of.op === 'was' && (of.of.op === 'is' || of.of.called !== undefined))
    return conditionWords(of.of, style, { tense: 'was not' })
  if (of.op === 'some') return someWords('none', of, style)
  if (of.op === 'memory' || of.op === 'priorKnown') return conditionWords(of, style).replace(/ (was|is) /, ' $1 not ')
  return `not ${bracketedCondition(of, style)}`
}

const bracketedCondition = (when: When, style: WordingStyle): string =>
  (when.op === 'any' || when.op === 'all') && when.of.length > 1 && when.called === undefined
    ? `(${conditionWords(when, style)})`
    : conditionWords(when, style)

/** What a value is compared with: `active or trialing`, `set`, `unset`. */
export const valueWords = (values: readonly unknown[], style = plain): string =>
  values
    .map((value) =>
      value === set
        ? 'set'
        : value === unset
          ? 'unset'
          : style.formatCode(typeof value === 'string' ? value : JSON.stringify(value)),
    )
    .join(' or ')

/** The names of a shape's leaves: `user.id`. */
export const fieldNames = (shape: object, under = ''): string[] =>
  Object.entries(shape).flatMap(([name, of]) =>
    typeof of === 'object' && of !== null && !('op' in of) ? fieldNames(of, `${under}${name}.`) : [`${under}${name}`],
  )
