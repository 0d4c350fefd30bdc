import type { ExplainedCondition, ExplainedMapping, Explanation } from './explanation.ts'
import { boundValue, SHOWN_BYTES } from './page.ts'

const MAX_LOOKUPS = 200
const MAX_CHANGES = 20
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
    mappings: mappings.map(boundMapping),
    lookups: lookups.slice(0, MAX_LOOKUPS),
    waitsFor: waitsFor.slice(0, MAX_LOOKUPS),
    ...(leftOut > 0 && { leftOut }),
  }
}

const boundMapping = (mapping: ExplainedMapping): ExplainedMapping => ({
  ...mapping,
  rules: mapping.rules.map((rule) => ({ ...rule, condition: rule.condition && boundCondition(rule.condition) })),
  owed: mapping.owed && { ...mapping.owed, condition: boundCondition(mapping.owed.condition) },
  says: { ...mapping.says, because: mapping.says.because && boundText(mapping.says.because) },
})

function boundCondition(condition: ExplainedCondition): ExplainedCondition {
  const { of, changes } = condition
  const bounded = { ...condition, words: boundText(condition.words) }
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
