import type { EmitRule } from './drafts.ts'
import type { Mapping } from './mapping.ts'
import { readId, readIfReadable, readMinorUnits, selectElements } from './read.ts'
import {
  countShare,
  hasFailed,
  mergePayment,
  type RefundShare,
  type RefundTally,
  withdrawShare,
} from './refund-tally.ts'
import type { EvaluationScope } from './scope.ts'

/** The tallies after this event, of a payment and of the purchase that it paid, by the id of either. */
export type TallyUpdate = Readonly<Record<string, RefundTally>>

/** Counts what the rule gives back; bodies are read with it from then on. Null: the rule counts no money. */
export function countRefund(
  rule: EmitRule,
  scope: EvaluationScope,
): { update: TallyUpdate; isNew: boolean; hasFailed: boolean } | null {
  const { once } = rule
  const payment = once ? readPayment(once, scope) : null
  if (!once || payment === null) return null
  const lines = rule.each ? selectElements(rule.each, scope) : []
  const share: RefundShare = {
    id: readId(once.id, scope),
    upTo: readMinorUnits(once.upTo, scope),
    amount: readMinorUnits(once.amount, scope) ?? 0,
    ...readMoment(once, scope),
    parts: lines.map((item) => ({
      line: readIfReadable(once.line, { ...scope, item }),
      amount: readMinorUnits(once.lineAmount, { ...scope, item }) ?? 0,
    })),
  }
  const { tally, isNew } = countShare(scope.facts.readTally(payment), share)
  const update = tallyUpdate(once, payment, tally, scope)
  const purchase = Object.entries(update).find(([id]) => id !== payment)?.[1]
  const others = { entries: (purchase?.entries ?? []).filter((entry) => entry.payment !== payment) }
  scope.counted = { share, tally, others }
  return { update, isNew, hasFailed: hasFailed(tally, share.id) }
}

type RefundNote = NonNullable<Extract<Mapping['rules'][number], { ignore: unknown }>['note']>
type RefundPayment = Pick<RefundNote, 'per' | 'purchase'>

const readPayment = ({ per }: RefundPayment, scope: EvaluationScope): string | null =>
  per.map((node) => readId(node, scope)).find((id) => id !== null) ?? null

function readMoment({ at }: Pick<RefundNote, 'at'>, scope: EvaluationScope): Pick<RefundShare, 'at'> {
  const seconds = readIfReadable(at, scope)
  return typeof seconds === 'number' ? { at: seconds } : {}
}

/** The tally of the payment, and that of the purchase which it paid a part of. */
function tallyUpdate(
  { purchase }: RefundPayment,
  payment: string,
  tally: RefundTally,
  scope: EvaluationScope,
): TallyUpdate {
  const bought = readId(purchase, scope)
  if (bought === null || bought === payment) return { [payment]: tally }
  return { [payment]: tally, [bought]: mergePayment(scope.facts.readTally(bought), payment, tally) }
}

/** What a rule notes of a refund that is not sent. Null: of a payment that the event does not name. */
export function noteRefund(note: RefundNote, scope: EvaluationScope): TallyUpdate | null {
  const payment = readPayment(note, scope)
  if (payment === null) return null
  const known = scope.facts.readTally(payment)
  const share: RefundShare = {
    id: readId(note.id, scope),
    upTo: null,
    amount: readMinorUnits(note.amount, scope) ?? 0,
    ...readMoment(note, scope),
  }
  const tally =
    note.as === 'failed'
      ? withdrawShare(known, share, scope.event.created)
      : countShare(known, { ...share, pending: true }).tally
  return tallyUpdate(note, payment, tally, scope)
}
