import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Json } from '../../src/domain/json.ts'
import { keyWithoutOwner } from '../../src/normalize/new-events.ts'
import { compact } from './compact.ts'
import { present } from './present.ts'
import type { Story } from './story.ts'

const folder = (name: string) => join(import.meta.dirname, '../../fixtures', name)
const namesIn = (path: string) =>
  readdirSync(path)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -5))
    .sort()

/** Every case by name with its raw Stripe events, in the order they arrive. */
export const cases: [name: string, events: Json[]][] = namesIn(folder('stripe')).map((name) => [
  name,
  [JSON.parse(readFileSync(join(folder('stripe'), `${name}.json`), 'utf8'))].flat(),
])

/** The raw events of one case, to do with as one likes. */
export const fixture = (name: string): Json[] => structuredClone(present(cases.find(([one]) => one === name))[1])

/** The folder of a contract's expectations: its name without the version. */
export const folderOf = (contract: string): string => contract.replace(/\.v\d+$/, '')

/** The cases that have an expectation of a contract, before any test of this run has written one. */
export const expected = (contract: string): string[] => namesIn(folder(folderOf(contract)))

/**
 * A story as a contract's expectation file tells it: per Stripe event what went out in order, with its business key, or why nothing
 * did. What another event had told before shows as `ignored: "already_emitted"`; digests in keys are left out.
 */
export function expectation({ outcomes }: Story, contract: string): string {
  const lines = outcomes.flatMap(({ eventId, type, outcome, events: all, judged }): object[] => {
    const of = `${type} ${eventId}`
    const events = all.filter((event) => event.contract === contract)
    if (events.length > 0)
      return events.map(({ key, body }) => ({
        of,
        key: keyWithoutOwner(key).replace(/:[\w-]{22}\./, ':'),
        body: JSON.parse(body),
      }))
    if (outcome.state !== 'normalized' && outcome.state !== 'ignored') return [{ of, [outcome.state]: outcome.code }]
    const said = judged.filter((one) => one.contract === contract).map(({ verdict }) => verdict)
    const emitting = said.some(({ kind }) => kind === 'emit')
    const reasons = [...new Set(said.flatMap((verdict) => (verdict.kind === 'ignore' ? [verdict.code] : [])))]
    if (emitting) return [{ of, ignored: 'already_emitted' }]
    return [{ of, ignored: reasons.join(', ') || (judged.length > 0 ? 'not_mapped' : outcome.code) }]
  })
  return `${compact(lines)}\n`
}
