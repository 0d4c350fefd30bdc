import type { ExplainedCondition, ExplainedMapping, ExplainedRule } from '../normalize/explain/explanation.ts'
import { bad, faint, good, jsonText, strong, truthSign } from './paint.ts'

/** What one mapping decided, rule by rule; without `all` only the rules up to the one that decided. */
export function mappingText(
  { mapping, again, says, rules, owed }: ExplainedMapping,
  { all }: { all: boolean },
): string[] {
  const said = {
    emit: good(`emits ${says.what}`),
    ignore: `emits nothing: ${says.what}`,
    fail: bad(`fails: ${says.what}`),
  }[says.kind]
  const tried = rules.filter(({ holds }) => all || holds !== null)
  const untried = rules.length - tried.length
  return [
    `  ${strong(mapping)} ${again ? faint('(on the newest state, once more) ') : ''}${said}`,
    ...(says.because ? [`      ${says.because}`] : []),
    ...tried.flatMap((rule) => ruleText(rule, { all })),
    ...(untried > 0 ? [faint(`       · ${untried} more ${untried === 1 ? 'was' : 'were'} not tried`)] : []),
    ...(owed && (all || owed.holds)
      ? [
          `     ${truthSign(owed.holds)} ${owed.says}, owed since an earlier event`,
          ...partsText(owed.condition, { all }),
        ]
      : []),
  ]
}

function ruleText({ at, says, when, holds, condition }: ExplainedRule, { all }: { all: boolean }): string[] {
  const head = `    ${String(at).padStart(2)} ${truthSign(holds)} ${holds === true ? strong(says) : says}`
  if (!condition) return [`${head}${when === null && holds !== null ? faint('  whatever else') : ''}`]
  const type = all ? null : wrongTypeWords(condition)
  return type ? [`${head}${faint(`  only if ${type}`)}`] : [head, ...partsText(condition, { all })]
}

/** Most rules fail because of the event's type alone: one line says so. */
function wrongTypeWords(condition: ExplainedCondition): string | null {
  const parts = condition.needs === 'all' ? (condition.of ?? []) : [condition]
  return parts.find(({ words, holds }) => !holds && words.startsWith('the event is '))?.words ?? null
}

interface ConditionLayout {
  /** Also the parts that did not decide anything. */
  all: boolean
  indent: number
  prefix?: string
  outerHolds?: boolean
}

/** The parts of a rule's condition; the `all` around them is not shown. */
function partsText(condition: ExplainedCondition, { all }: { all: boolean }): string[] {
  const parts = condition.needs === 'all' && !condition.called ? partsOf(condition, { all }) : [condition]
  return parts.flatMap((part) => conditionText(part, { all, indent: 9 }))
}

/**
 * A condition as a tree. Without `all` only the parts that decided it: those that fail of one that fails, those that hold of one
 * that holds. `outerHolds`: whether the statement holds that this is the only part of, such as `became`; the line is about that one.
 */
function conditionText(
  condition: ExplainedCondition,
  { all, indent, prefix = '', outerHolds = condition.holds }: ConditionLayout,
): string[] {
  const { called, words, needs, changes = [], leftOut = 0 } = condition
  const parts = partsOf(condition, { all })
  const [only] = parts
  const named = prefix + (called ? `${called}: ` : '')
  if (only && parts.length === 1) {
    // A word about one statement stands on its line; an `all` or `any` with one part left adds nothing.
    const word = needs ? named : `${named}${words}: `
    return conditionText(only, { all, indent, prefix: word, outerHolds })
  }
  const pad = ' '.repeat(indent)
  return [
    `${pad}${truthSign(outerHolds)} ${named}${words}${valuesText(condition)}`,
    ...changes.map(({ field, before, now }) => `${pad}    ${field}: ${jsonText(before, 40)} → ${jsonText(now, 40)}`),
    ...parts.flatMap((part) => conditionText(part, { all, indent: indent + 2 })),
    ...(leftOut > 0 ? [`${pad}    ${faint(`and ${leftOut} more`)}`] : []),
  ]
}

/** The parts that decide the condition; an unnamed `all` within an `all`, or `any` within an `any`, is flattened. */
function partsOf(condition: ExplainedCondition, { all }: { all: boolean }): ExplainedCondition[] {
  const { needs, holds, of = [] } = condition
  const settles = (part: ExplainedCondition) => all || needs === undefined || part.holds === holds
  return of
    .filter(settles)
    .flatMap((part) => (needs !== undefined && part.needs === needs && !part.called ? partsOf(part, { all }) : [part]))
}

function valuesText(condition: ExplainedCondition): string {
  const values = (['now', 'before', 'stored'] as const).flatMap((when) =>
    when in condition ? [`${when} ${jsonText(condition[when], 50)}`] : [],
  )
  return values.length > 0 ? faint(`  (${values.join(', ')})`) : ''
}
