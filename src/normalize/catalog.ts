import { ignoredTypes } from '../../mappings/ignored.ts'
import type { ContractMappings } from '../../mappings/offer.ts'
import { storedKinds } from '../../mappings/stored-objects.ts'
import { isCondition, type Mapping, type Node, type Rule, type When } from '../language/mapping.ts'
import { conditionWords, fieldNames, markdown, sourceWords, type WordingStyle } from '../language/wording.ts'

/** One line of a mapping's decision in words. */
export interface RuleWords {
  /** 'otherwise' for what no rule before it took. */
  when: string
  emits: readonly string[]
  /** Why no event is made; null where one is. */
  ignores: { code: string; because: string } | null
  remarks: readonly string[]
}

/** A mapping as a person reads it, in Markdown. */
export interface MappingWords {
  name: string
  types: readonly string[]
  rules: readonly RuleWords[]
  owed: RuleWords | null
  waitsFor: readonly string[]
  fields: readonly { field: string; source: string }[]
  /** What the names in the rules and fields stand for, in alphabetical order. */
  names: readonly { name: string; means: string }[]
}

/** Every mapping of every contract in words, in the order in which their events leave. */
export const describeMappings = (mappings: ContractMappings): Record<string, MappingWords[]> =>
  Object.fromEntries(Object.entries(mappings).map(([contract, list]) => [contract, list.map(wordsOfMapping)]))

/** Stripe's event types that no mapping reads, by family, and why; and the objects that are kept as facts. */
export const unmappedTypes = { families: ignoredTypes, kept: storedKinds }

function wordsOfMapping(mapping: Mapping): MappingWords {
  const { name, on, rules, owed, waitFor, body } = mapping
  const style: WordingStyle = { ...markdown, describeChange: (shape) => wordsOfChange(shape, body) }
  return {
    name,
    types: on.types,
    rules: rules.map((rule) => wordsOfRule(rule, style)),
    owed: owed ? wordsOfRule(owed, style) : null,
    waitsFor: waitFor.map(
      ({ fact, key, unless }) =>
        `${key.called === undefined ? `the ${fact} of ` : ''}${sourceWords(key, style)}, unless ${conditionWords(unless, style)}`,
    ),
    fields: fieldsOf(body, style),
    names: namesIn(mapping, style),
  }
}

/** Where most of an object's fields are compared, the few that are not are named. */
function wordsOfChange(shape: object, body: object): string {
  const names = fieldNames(shape)
  const whole = Object.values(body)
    .map((root) => ('op' in root ? [] : fieldNames(root)))
    .find((all) => names.every((name) => all.includes(name)))
  const others = whole?.filter((name) => !names.includes(name)) ?? names
  const code = (list: string[]) => list.map(markdown.formatCode).join(', ')
  return whole && others.length < names.length
    ? `a field changed other than ${code(others)}`
    : `one of these changed: ${code(names)}`
}

function wordsOfRule(rule: Rule, style: WordingStyle): RuleWords {
  const source = (node: Node) => sourceWords(node, style)
  const when = rule.when ? conditionWords(rule.when, style) : 'otherwise'
  if ('ignore' in rule)
    return {
      when,
      emits: [],
      ignores: { code: rule.ignore, because: rule.because },
      remarks: rule.afterWaiting ? ['Only when what the mapping waits for has not come by the deadline.'] : [],
    }
  const { each, key, once, overtakable, isNamedFact } = rule
  const which = each && holdsAlways(each.where) ? '' : ` that is ${each && conditionWords(each.where, style)}`
  return {
    when,
    emits: [rule.emit].flat(),
    ignores: null,
    remarks: [
      ...(each ? [`One for each of ${source(each.list)}${which}.`] : []),
      key ? `Once per ${key.map(source).join(' and ')}.` : 'Once per Stripe event.',
      ...(once ? ['Money is counted per payment: a refund that arrives on several paths is sent once.'] : []),
      ...(isNamedFact ? ['Sent beside other facts that the event names.'] : []),
      ...(overtakable ? ['Not when a later state was sent already.'] : []),
    ],
  }
}

const holdsAlways = (when: When) => when.op === 'all' && when.of.length === 0

/** The leaves of a target with their sources; what a list or a nested object is made of stands under it. */
function fieldsOf(shape: object, style: WordingStyle, at = ''): { field: string; source: string }[] {
  return Object.entries(shape).flatMap(([name, part]: [string, Node | object]) => {
    const field = at === '' ? name : `${at}.${name}`
    if (!('op' in part)) return fieldsOf(part, style, field)
    const row = { field, source: sourceWords(part, style, { expandName: part.called === field }) }
    if (part.op === 'each') return [row, ...fieldsOf(part.shape, style, `${field}[]`)]
    if (part.op !== 'given' || part.then.op !== 'object' || part.then.called !== undefined) return [row]
    return [{ field, source: `if ${conditionWords(part.when, style)}` }, ...fieldsOf(part.then.shape, style, field)]
  })
}

/** Every name that a mapping uses, with what it stands for. */
function namesIn({ rules, owed, waitFor, body }: Mapping, style: WordingStyle): { name: string; means: string }[] {
  const names = new Map<string, string>()
  const own = new Set(ownFieldNodes(body))
  const walk = (part: object) => {
    const { called, op } = part as Node | When
    if (called !== undefined && !own.has(part)) {
      // A field of another mapping, or an object of fields, is described there.
      if (called.includes('.') || op === 'object') return
      names.set(called, meaningOf(part as Node | When, style))
    }
    if (op === 'choose') {
      const { name, list, about } = part as Extract<Node, { op: 'choose' }>
      names.set(name, `of ${sourceWords(list, style)}: ${about}`)
    }
    for (const inner of Object.values(part)) if (typeof inner === 'object' && inner !== null) walk(inner)
  }
  for (const part of [rules, owed ?? {}, waitFor, body]) walk(part)
  return [...names].map(([name, means]) => ({ name, means })).sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The nodes that are called as the mapping's own fields are. */
const ownFieldNodes = (shape: object, at = ''): object[] =>
  Object.entries(shape).flatMap(([name, part]: [string, Node | object]) => {
    const field = at === '' ? name : `${at}.${name}`
    if (!('op' in part)) return ownFieldNodes(part, field)
    return part.called === field ? [part] : []
  })

const meaningOf = (part: Node | When, style: WordingStyle): string =>
  isCondition(part) ? conditionWords(part, style, { expandName: true }) : sourceWords(part, style, { expandName: true })
