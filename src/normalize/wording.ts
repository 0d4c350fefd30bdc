import { type Node, set, unset, type When } from './words.ts'

// The words of the mappings in words of English, for the catalog and for explanations.

/** Where a value comes from: `trial_end, else max of items.data: current_trial.end_date`. */
export function sourceWords(node: Node): string {
  switch (node.op) {
    case 'from':
      return node.until ? `${node.path} (before ${node.until})` : node.path
    case 'event':
      return `event.${node.field}`
    case 'always':
      return node.value === undefined ? 'left out' : JSON.stringify(node.value)
    case 'firstOf':
      return node.of.map(sourceWords).join(', else ')
    case 'convert':
      return `${node.name}(${node.of.map(sourceWords).join('; ')})`
    case 'given': {
      const otherwise = isNothing(node.otherwise) ? '' : `, otherwise ${sourceWords(node.otherwise)}`
      return `${sourceWords(node.then)} if ${conditionWords(node.when)}${otherwise}`
    }
    case 'byEvent': {
      const rows = Object.entries(node.table).map(([type, of]) => `${sourceWords(of)} on ${type}`)
      return [...rows, `otherwise ${sourceWords(node.otherwise)}`].join(', ')
    }
    case 'kept':
      return `${sourceWords(node.of)} of the ${node.kind} ${sourceWords(node.key)}`
    case 'user':
      return `${node.field} of the user behind ${sourceWords(node.customer)}`
    case 'uuid':
      return `Flo's uuid of the ${node.kind} ${sourceWords(node.key)}`
    case 'object':
      return Object.keys(node.shape).join(', ')
    case 'each':
      return `each of ${sourceWords(node.list)}${node.where ? ` where ${conditionWords(node.where)}` : ''}`
    case 'fold':
      return `${node.name} of ${sourceWords(node.list)}: ${sourceWords(node.of)}${node.where ? ` where ${conditionWords(node.where)}` : ''}`
    case 'choose':
      return `${node.name} of ${sourceWords(node.list)}: ${sourceWords(node.of)}`
    case 'occasion':
      return node.mark ? `the occasion (${node.what})` : `the last time it was ${node.what}`
    case 'prior':
      return `${sourceWords(node.of)} before`
    case 'tallied':
      return 'what was given back of the payment so far'
  }
}

const isNothing = (node: Node) => node.op === 'always' && node.value === null

/** A condition: `status is canceled or incomplete_expired, and not (cancel_at is there)`. */
export function conditionWords(when: When, is = 'is'): string {
  switch (when.op) {
    case 'type':
      return `the event ${is} ${when.types.join(' or ')}`
    case 'is':
      return `${sourceWords(when.node)} ${is} ${valueWords(when.values)}`
    case 'more':
      return `${sourceWords(when.node)} is more than ${sourceWords(when.than)}`
    case 'same':
      return `${sourceWords(when.node)} equals ${sourceWords(when.than)}`
    case 'any':
      return when.of.map(bracketed).join(' or ')
    case 'all':
      return when.of.length === 0 ? 'always' : when.of.map(bracketed).join(' and ')
    case 'not':
      return when.of.op === 'is' || when.of.op === 'type'
        ? conditionWords(when.of, 'is not')
        : `not ${bracketed(when.of)}`
    case 'was':
      return `before: ${bracketed(when.of)}`
    case 'became':
      return `became: ${bracketed(when.of)}`
    case 'ceased':
      return `ceased: ${bracketed(when.of)}`
    case 'stored':
      return `as it was known: ${bracketed(when.of)}`
    case 'changed':
      return `changed: ${fieldNames(when.shape).join(', ')}`
    case 'differsFromLast':
      return 'it differs from what was last told'
    case 'seen':
      return 'it was seen before'
    case 'priorKnown':
      return 'its state before is known'
    case 'memory':
      return `it was told as ${when.flag}`
    case 'some':
      return `one of ${sourceWords(when.list)} where ${bracketed(when.where)}`
  }
}

const bracketed = (when: When): string =>
  (when.op === 'any' || when.op === 'all') && when.of.length > 1 ? `(${conditionWords(when)})` : conditionWords(when)

/** What a value is compared with: `active or trialing`, `there`, `absent`. */
export const valueWords = (values: readonly unknown[]): string =>
  values
    .map((value) =>
      value === set ? 'there' : value === unset ? 'absent' : typeof value === 'string' ? value : JSON.stringify(value),
    )
    .join(' or ')

/** The names of a shape's leaves: `user.id`. */
export const fieldNames = (shape: object, under = ''): string[] =>
  Object.entries(shape).flatMap(([name, of]) =>
    typeof of === 'object' && of !== null && !('op' in of) ? fieldNames(of, `${under}${name}.`) : [`${under}${name}`],
  )
