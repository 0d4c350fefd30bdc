import { CONTRACTS, expectedEventTypes, type Scenario } from '../../simulator/scenario.ts'
import { scenarios } from '../../simulator/scenarios.ts'
import { simulate } from '../../simulator/simulate.ts'
import { dateOf, VERSIONS } from '../../simulator/versions.ts'
import { UsageError } from './command.ts'

/** What is played, and the events that have to come of it: the one that was asked for, or all that the scenario names. */
export interface StoryChoice {
  scenario: Scenario
  expects: readonly string[]
}

type ContractName = (typeof CONTRACTS)[number]

/** Every event of a contract that some scenario leads to in this API version, with the shortest that does. */
export function shortestStories(apiVersion: string, contract: ContractName = 'flo'): Map<string, Scenario> {
  const shortest = new Map<string, Scenario>()
  for (const scenario of sortByLength(apiVersion))
    for (const type of expectedTypes(scenario, apiVersion, contract))
      if (!shortest.has(type)) shortest.set(type, scenario)
  return shortest
}

const sorted = new Map<string, readonly Scenario[]>()
/** All scenarios, those of the fewest events first. Each is played for its length, once in an API version. */
function sortByLength(apiVersion: string): readonly Scenario[] {
  const known = sorted.get(apiVersion)
  if (known) return known
  const byLength = scenarios
    .map((scenario) => ({ scenario, length: simulate(scenario, { apiVersion }).length }))
    .sort((a, b) => a.length - b.length)
    .map(({ scenario }) => scenario)
  sorted.set(apiVersion, byLength)
  return byLength
}

/** What comes of it whatever the source is told: without the ranks that a scenario gives its plans they are not compared. */
const expectedTypes = (scenario: Scenario, apiVersion: string, contract: ContractName) =>
  contract === 'florentin' && scenario.ranks ? [] : expectedEventTypes(scenario, dateOf(apiVersion), contract)

/** The scenario of this name, or the shortest that leads to the event of this name, Flo's first. Throws a UsageError with what is alike. */
export function storyOf(asked: string, apiVersion: string): StoryChoice {
  const scenario = scenarios.find(({ name }) => name === asked)
  if (scenario)
    return { scenario, expects: CONTRACTS.flatMap((contract) => expectedTypes(scenario, apiVersion, contract)) }
  const stories = new Map(CONTRACTS.toReversed().flatMap((contract) => [...shortestStories(apiVersion, contract)]))
  const shortest = stories.get(asked)
  if (shortest) return { scenario: shortest, expects: [asked] }
  const names = [...stories.keys(), ...scenarios.map(({ name }) => name)]
  throw new UsageError(
    `"${asked}" is neither an event nor a scenario${suggestNames(asked, names)}. flo-gateway trigger --list shows all.`,
  )
}

/** An API version as Stripe writes it, known or not: its date decides the shape. Throws a UsageError. */
export function versionOf(text: string): string {
  if (/^\d{4}-\d{2}-\d{2}(\.\w+)?$/.test(text)) return text
  throw new UsageError(`"${text}" is not an API version of Stripe: write one such as ${VERSIONS.join(', ')}.`)
}

/** `: did you mean a, b?`, or nothing. */
function suggestNames(asked: string, names: readonly string[]): string {
  const near = names
    .map((name) => ({ name, far: editDistance(asked.toLowerCase(), name) }))
    .filter(({ name, far }) => far <= 3 || shareWord(asked, name))
    .sort((a, b) => a.far - b.far)
    .slice(0, 4)
  return near.length > 0 ? `: did you mean ${near.map(({ name }) => name).join(', ')}?` : ''
}

const wordsOf = (text: string) => text.toLowerCase().split(/[^a-z]+/)
/** They have a word of substance, or the beginning of one, in common. */
const shareWord = (asked: string, name: string) =>
  wordsOf(asked).some((word) => word.length > 3 && wordsOf(name).some((other) => other.startsWith(word.slice(0, 5))))

/** How many letters have to be put in, left out or changed to make one text of the other (Levenshtein). */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (const [i, letter] of [...one].entries()) {
    let left = i + 1
    const next = [left]
    for (const [j, above] of row.slice(1).entries()) {
      const diagonal = row[j] ?? 0
      left = Math.min(left + 1, above + 1, diagonal + (letter === other[j] ? 0 : 1))
      next.push(left)
    }
    row = next
  }
  return row.at(-1) ?? 0
}
