import type { ExplainedCondition, ExplainedMapping, ExplainedRule } from '../normalize/explain/explanation.ts'
import { bad, faint, good, jsonText, strong, truthSign } from './paint.ts'

/** What one mapping said, rule by rule; without `all` only what settled it. */
export function mappingText({ mapping, again, says, rules, owed }: ExplainedMapping, all: boolean): string[] {
  const said = {
    emit: good(`tells ${says.what}`),
    ignore: `tells nothing: ${says.what}`,
    fail: bad(`stops: ${says.what}`),
  }[says.kind]
  const tried = rules.filter(({ holds }) => all || holds !== null)
  const untried = rules.length - tried.length
  return [
    `  ${strong(mapping)} ${again ? faint('(on the newest state, once more) ') : ''}${said}`,
    ...(says.because ? [`      ${says.because}`] : []),
    ...tried.flatMap((rule) => ruleText(rule, all)),
    ...(untried > 0 ? [faint(`       · ${untried} more ${untried === 1 ? 'was' : 'were'} not tried`)] : []),
    ...(owed && (all || owed.holds)
      ? [`     ${truthSign(owed.holds)} ${owed.says}, owed since an earlier event`, ...partsText(owed.condition, all)]
      : []),
  ]
}

function ruleText({ at, says, when, holds, condition }: ExplainedRule, all: boolean): string[] {
  const head = `    ${String(at).padStart(2)} ${truthSign(holds)} ${holds === true ? strong(says) : says}`
  if (!condition) return [`${head}${when === null && holds !== null ? faint('  whatever else') : ''}`]
  const type = all ? null : wrongTypeWords(condition)
  return type ? [`${head}${faint(`  only if ${type}`)}`] : [head, ...partsText(condition, all)]
}

/** Most rules fail for the type of the event alone: that needs one line. */
function wrongTypeWords(condition: ExplainedCondition): string | null {
  const parts = condition.needs === 'all' ? (condition.of ?? []) : [condition]
  return parts.find(({ words, holds }) => !holds && words.startsWith('the event is '))?.words ?? null
}

/** The parts of a rule's condition: that all of them must hold goes without saying. */
function partsText(condition: ExplainedCondition, all: boolean): string[] {
  const parts = condition.needs === 'all' && !condition.called ? partsOf(condition, all) : [condition]
  return parts.flatMap((part) => conditionText(part, all, 9))
}

/**
 * A condition as a tree. Without `all`, of what does not hold the parts that fail, of what holds those that hold. `outer` is
 * whether the statement holds that it is the only part of, such as `became`: that is the one which the line is about.
 */
function conditionText(
  condition: ExplainedCondition,
  all: boolean,
  indent: number,
  prefix = '',
  outer = condition.holds,
): string[] {
  const { called, words, needs, changes = [] } = condition
  const parts = partsOf(condition, all)
  const [only] = parts
  const named = prefix + (called ? `${called}: ` : '')
  if (only && parts.length === 1) {
    // A word about one statement stands on its line; a junction of which one part is left says nothing.
    const word = needs ? named : `${named}${words}: `
    return conditionText(only, all, indent, word, outer)
  }
  const pad = ' '.repeat(indent)
  return [
    `${pad}${truthSign(outer)} ${named}${words}${valuesText(condition)}`,
    ...changes.map(({ field, before, now }) => `${pad}    ${field}: ${jsonText(before, 40)} → ${jsonText(now, 40)}`),
    ...parts.flatMap((part) => conditionText(part, all, indent + 2)),
  ]
}

/** Parts that settle the matter, a nameless junction within one of its own kind opened up. */
function partsOf(condition: ExplainedCondition, all: boolean): ExplainedCondition[] {
  const { needs, holds, of = [] } = condition
  const settles = (part: ExplainedCondition) => all || needs === undefined || part.holds === holds
  return of
    .filter(settles)
    .flatMap((part) => (needs !== undefined && part.needs === needs && !part.called ? partsOf(part, all) : [part]))
}

function valuesText(condition: ExplainedCondition): string {
  const told = (['now', 'before', 'stored'] as const).flatMap((when) =>
    when in condition ? [`${when} ${jsonText(condition[when], 50)}`] : [],
  )
  return told.length > 0 ? faint(`  (${told.join(', ')})`) : ''
}
