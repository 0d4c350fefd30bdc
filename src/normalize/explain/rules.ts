import { mappings } from '../../../mappings/index.ts'
import type { Verdict } from '../../language/evaluate.ts'
import type { Mapping } from '../../language/mapping.ts'
import { conditionWords } from '../../language/wording.ts'
import { conditionOf } from './conditions.ts'
import type { MappingExplained, RuleExplained } from './explanation.ts'
import type { Frame } from './trace.ts'

/**
 * What each mapping said, rule by rule. `own` is how many mappings read the event; what follows speaks of the object's newest
 * state once more. `told` are the contracts and keys that were really emitted.
 */
export function mappingsIn(frames: readonly Frame[], own: number, told: ReadonlySet<string>): MappingExplained[] {
  return frames
    .filter(({ part }) => part.op === 'mapping')
    .map((frame, at) => mappingOf(frame, at >= own, told))
    .filter(({ again, says }) => !again || says.kind === 'emit')
}

function mappingOf(frame: Frame, again: boolean, told: ReadonlySet<string>): MappingExplained {
  const { mapping } = frame.part as { mapping: Mapping }
  const owed = frame.inner.find(({ part }) => part.op === 'owed')?.inner[0]
  return {
    contract: contractOf(mapping),
    mapping: mapping.name,
    again,
    rules: mapping.rules.map((rule, at) => ruleOf(rule, at, frame)),
    owed:
      mapping.owed && owed
        ? { says: mapping.owed.emit, holds: owed.result === true, condition: conditionOf(owed) }
        : null,
    says: saysOf(frame, told),
  }
}

/** The contract that a mapping belongs to. */
export const contractOf = (mapping: Mapping): string =>
  Object.entries(mappings).find(([, list]) => list.includes(mapping))?.[0] ?? ''

function ruleOf(rule: Mapping['rules'][number], at: number, { inner }: Frame): RuleExplained {
  const tried = inner.find(({ part }) => part.op === 'rule' && part.at === at)
  const [condition] = tried?.inner ?? []
  return {
    at: at + 1,
    says: 'emit' in rule ? [rule.emit].flat().join(', ') : `ignore: ${rule.ignore}`,
    when: rule.when ? conditionWords(rule.when) : null,
    holds: tried ? tried.result === true : null,
    condition: condition ? conditionOf(condition) : null,
  }
}

function saysOf({ part, result, error }: Frame, told: ReadonlySet<string>): MappingExplained['says'] {
  if (error) return { kind: 'fail', what: error.code, because: error.message }
  const verdict = result as Verdict
  if (verdict.kind === 'ignore') return { kind: 'ignore', what: verdict.code, because: verdict.message }
  const contract = contractOf((part as { mapping: Mapping }).mapping)
  const emitted = verdict.emissions.filter(({ key }) => told.size === 0 || told.has(`${contract} ${key}`))
  if (emitted.length === 0) return { kind: 'ignore', what: 'nothing_new', because: 'It was said before.' }
  return { kind: 'emit', what: emitted.map(({ type }) => type).join(', '), because: null }
}
