import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compact } from './compact.ts'
import { SOURCE, type Story } from './story.ts'

const folder = (name: string) => join(import.meta.dirname, '../../fixtures', name)
const namesIn = (path: string) =>
  readdirSync(path)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -5))
    .sort()

/** Every case by name with its raw Stripe events, in the order they arrive. */
export const cases: [name: string, events: any[]][] = namesIn(folder('stripe')).map((name) => [
  name,
  [JSON.parse(readFileSync(join(folder('stripe'), `${name}.json`), 'utf8'))].flat(),
])

/** The raw events of one case, to do with as one likes. */
export const fixture = (name: string): any[] => structuredClone(cases.find(([one]) => one === name)![1])

/** The cases that have an expectation, before any test of this run has written one. */
export const expected: string[] = namesIn(folder('flo'))

/**
 * A story as its expectation file tells it: per Stripe event what went out in order, with its business key, or why nothing
 * did. What another event had told before shows as `ignored: "already_emitted"`; digests in keys are left out.
 */
export function expectation({ outcomes }: Story): string {
  const lines = outcomes.flatMap(({ eventId, type, outcome, events }): object[] => {
    const of = `${type} ${eventId}`
    if (events.length > 0)
      return events.map(({ key, body }) => ({
        of,
        key: key.slice(SOURCE.length + 1).replace(/:[\w-]{22}\./, ':'),
        body: JSON.parse(body),
      }))
    if (outcome.state === 'normalized') return [{ of, ignored: 'already_emitted' }]
    return [{ of, [outcome.state]: outcome.code }]
  })
  return `${compact(lines)}\n`
}
