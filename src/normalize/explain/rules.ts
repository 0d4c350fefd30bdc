import type { ContractMappings } from '../../../mappings/offer.ts'
import type { Verdict } from '../../language/evaluate.ts'
import type { Mapping } from '../../language/mapping.ts'
import { conditionWords } from '../../language/wording.ts'
import { explainCondition } from './conditions.ts'
import type { ExplainedMapping, ExplainedRule } from './explanation.ts'
import { countTypes } from './joined-words.ts'
import type { TraceFrame } from './trace.ts'

/**
 * What each mapping said, rule by rule. `readerCount` is how many mappings read the event; what follows speaks of the object's
 * newest state once more. `emittedKeys` are the contracts and keys that were really emitted.
 */
export function explainMappings(
  frames: readonly TraceFrame[],
  mappings: ContractMappings,
  { readerCount, emittedKeys }: { readerCount: number; emittedKeys: ReadonlySet<string> },
): ExplainedMapping[] {
  return frames
    .filter(({ part }) => part.op === 'mapping')
    .map((frame, at) => explainMapping(frame, mappings, { again: at >= readerCount, emittedKeys }))
    .filter(({ again, says }) => !again || says.kind === 'emit')
}

function explainMapping(
  frame: TraceFrame,
  mappings: ContractMappings,
  { again, emittedKeys }: { again: boolean; emittedKeys: ReadonlySet<string> },
): ExplainedMapping {
  const { mapping } = frame.part as { mapping: Mapping }
  const owed = frame.inner.find(({ part }) => part.op === 'owed')?.inner[0]
  return {
    contract: contractOfMapping(mappings, mapping),
    mapping: mapping.name,
    again,
    rules: mapping.rules.map((rule, at) => explainRule(rule, at, frame)),
    owed:
      mapping.owed && owed
        ? { says: mapping.owed.emit, holds: owed.result === true, condition: explainCondition(owed) }
        : null,
    says: explainVerdict(frame, mappings, emittedKeys),
  }
}

/** The contract that a mapping belongs to. */
export const contractOfMapping = (mappings: ContractMappings, mapping: Mapping): string =>
  Object.entries(mappings).find(([, list]) => list.includes(mapping))?.[0] ?? ''

function explainRule(rule: Mapping['rules'][number], at: number, { inner }: TraceFrame): ExplainedRule {
  const ruleFrame = inner.find(({ part }) => part.op === 'rule' && part.at === at)
  const [condition] = ruleFrame?.inner ?? []
  return {
    at: at + 1,
    says: 'emit' in rule ? [rule.emit].flat().join(', ') : `ignore: ${rule.ignore}`,
    when: rule.when ? conditionWords(rule.when) : null,
    holds: ruleFrame ? ruleFrame.result === true : null,
    condition: condition ? explainCondition(condition) : null,
  }
}

function explainVerdict(
  { part, result, error }: TraceFrame,
  mappings: ContractMappings,
  emittedKeys: ReadonlySet<string>,
): ExplainedMapping['says'] {
  if (error) return { kind: 'fail', what: error.code, because: error.message }
  const verdict = result as Verdict
  switch (verdict.kind) {
    case 'ignore':
      return { kind: 'ignore', what: verdict.code, because: verdict.message }
    case 'emit': {
      const contract = contractOfMapping(mappings, (part as { mapping: Mapping }).mapping)
      const emitted = verdict.drafts.filter(
        ({ key }) => emittedKeys.size === 0 || emittedKeys.has(`${contract} ${key}`),
      )
      if (emitted.length === 0) return { kind: 'ignore', what: 'nothing_new', because: 'It was said before.' }
      return { kind: 'emit', what: countTypes(emitted.map(({ type }) => type)).join(', '), because: null }
    }
    default:
      return verdict satisfies never
  }
}
