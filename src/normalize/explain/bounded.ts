import type { ExplainedCondition, ExplainedMapping, Explanation } from './explanation.ts'
import { boundValue, SHOWN_BYTES } from './page.ts'

const MAX_LOOKUPS = 200
const MAX_CHANGES = 20
/** Of all conditions: those of rules that come when it is used up are shown without their parts. */
const CONDITION_BYTES = 250_000
/** Reasons and summaries carry texts of the event. */
const TEXT_BYTES = 4_000

const boundText = (text: string): string => String(boundValue(text, TEXT_BYTES))

/** An explanation whose events are a page, with all else bounded too. */
export function boundExplanation(whole: Explanation): Explanation {
  const { lookups, waitsFor, mappings, summary, differs } = whole
  const leftOut = Math.max(0, lookups.length - MAX_LOOKUPS) + Math.max(0, waitsFor.length - MAX_LOOKUPS)
  return {
    ...whole,
    summary: boundText(summary),
    differs: differs && boundText(differs),
    mappings: boundMappings(mappings),
    lookups: lookups.slice(0, MAX_LOOKUPS),
    waitsFor: waitsFor.slice(0, MAX_LOOKUPS),
    ...(leftOut > 0 && { leftOut }),
  }
}

function boundMappings(mappings: readonly ExplainedMapping[]): ExplainedMapping[] {
  let left = CONDITION_BYTES
  const take = (condition: ExplainedCondition): ExplainedCondition => {
    const bounded = boundCondition(condition)
    left -= JSON.stringify(bounded).length
    return left > 0 ? bounded : withoutParts(bounded)
  }
  return mappings.map(({ rules, owed, says, ...mapping }) => ({
    ...mapping,
    rules: rules.map((rule) => ({ ...rule, condition: rule.condition && take(rule.condition) })),
    owed: owed && { ...owed, condition: take(owed.condition) },
    says: { ...says, because: says.because && boundText(says.because) },
  }))
}

/** A condition by its words and result alone. */
function withoutParts({ called, words, holds, needs, of = [], changes = [], leftOut = 0 }: ExplainedCondition) {
  const cut = leftOut + of.length + changes.length
  return {
    ...(called !== undefined && { called }),
    words,
    holds,
    ...(needs && { needs }),
    ...(cut > 0 && { leftOut: cut }),
  }
}

function boundCondition(condition: ExplainedCondition): ExplainedCondition {
  const { of, changes } = condition
  const leftOut = (condition.leftOut ?? 0) + Math.max(0, (changes?.length ?? 0) - MAX_CHANGES)
  const bounded = { ...condition, words: boundText(condition.words), ...(leftOut > 0 && { leftOut }) }
  for (const moment of ['now', 'before', 'stored'] as const)
    if (moment in bounded) bounded[moment] = boundValue(bounded[moment], SHOWN_BYTES)
  return {
    ...bounded,
    ...(of && { of: of.map(boundCondition) }),
    ...(changes && {
      changes: changes.slice(0, MAX_CHANGES).map(({ field, before, now }) => ({
        field,
        before: boundValue(before, SHOWN_BYTES),
        now: boundValue(now, SHOWN_BYTES),
      })),
    }),
  }
}
