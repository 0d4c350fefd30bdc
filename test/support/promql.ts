import { present } from './present.ts'

/** A metric that an expression asks for, and what it asks of its labels. */
export interface Selector {
  metric: string
  matchers: { label: string; operator: string; value: string }[]
}

const AGGREGATIONS = ['sum', 'min', 'max', 'avg', 'count', 'topk']
const FUNCTIONS = ['rate', 'increase', 'changes', 'histogram_quantile', 'absent', 'vector', 'min_over_time']
const GROUPING = ['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']
const OPERATORS = ['and', 'or', 'unless', 'bool']
const TOKEN = /\s+|[a-zA-Z_:][\w:]*|"(?:[^"\\]|\\.)*"|\d+(?:\.\d+)?(?:e\d+)?|\[[^\]]*\]|[<>=!]=|=~|!~|[-+*/<>=(){},]/y

/**
 * The selectors of a PromQL expression, and the labels that it groups and joins by. Throws for a function that this does not
 * know, for brackets that do not close, and for what is no token: a dashboard's own variables stand only in ranges.
 */
export function asked(expression: string): { selectors: Selector[]; labels: string[] } {
  const tokens = tokensOf(expression)
  const selectors: Selector[] = []
  const labels: string[] = []
  const open: string[] = []
  for (let at = 0; at < tokens.length; at += 1) {
    const token = present(tokens[at])
    const next = tokens[at + 1]
    if (token === '(') open.push(token)
    else if (token === ')') {
      assertClosed(open.pop() === '(', expression)
    } else if (GROUPING.includes(token)) {
      const end = tokens.indexOf(')', at)
      labels.push(...tokens.slice(at + 2, end).filter((one) => one !== ','))
      at = end
    } else if (isWord(token) && (next === '(' || GROUPING.includes(next ?? ''))) assertApplicable(token, next)
    else if (isWord(token) && !OPERATORS.includes(token)) {
      const end = next === '{' ? tokens.indexOf('}', at) : at
      assertClosed(end >= 0, expression)
      selectors.push({ metric: token, matchers: matchers(tokens.slice(at + 2, end)) })
      at = end
    }
  }
  if (open.length > 0 || selectors.length === 0) throw new Error(`cannot be read: ${expression}`)
  return { selectors, labels }
}

function assertClosed(isClosed: boolean, expression: string): void {
  if (!isClosed) throw new Error(`brackets that do not match in ${expression}`)
}

const isWord = (token: string) => /^[a-zA-Z_:]/.test(token)

/** Throws unless the word may stand before a bracket, or before a grouping. */
function assertApplicable(word: string, next: string | undefined): void {
  if (AGGREGATIONS.includes(word)) return
  if (next === '(' && !FUNCTIONS.includes(word)) throw new Error(`${word} is not a function`)
  if (next !== '(' && word !== 'and' && word !== 'or') throw new Error(`${word} cannot group`)
}

function tokensOf(expression: string): string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < expression.length) {
    const from = TOKEN.lastIndex
    const [token] = TOKEN.exec(expression) ?? []
    if (token === undefined) throw new Error(`no PromQL: ${expression.slice(from)}`)
    if (token.trim() !== '') tokens.push(token)
  }
  return tokens
}

function matchers(tokens: string[]): Selector['matchers'] {
  const found: Selector['matchers'] = []
  for (let at = 0; at < tokens.length; at += 4) {
    const [label = '', operator = '', value = '', comma = ','] = tokens.slice(at, at + 4)
    if (!/^(=|!=|=~|!~)$/.test(operator) || !value.startsWith('"') || comma !== ',')
      throw new Error(`no matchers: ${tokens.join(' ')}`)
    found.push({ label, operator, value: JSON.parse(value) })
  }
  return found
}
