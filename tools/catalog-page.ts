import { mappings as productMappings } from '../mappings/index.ts'
import { describeMappings, type MappingWords, type RuleWords, unmappedTypes } from '../src/normalize/catalog.ts'

const INTRO = `# What Stripe sends, and what clients receive

Printed from \`mappings/\` by \`npm run catalog\`; not to be edited.

- Several mappings may read one Stripe event. In each of them the first rule whose condition holds decides.
- Words in *italics* are names: what they stand for is listed under the mapping. A name with a dot, such as
  *subscription.amount*, is that field as \`flo/subscription\` fills it.
- \`field (before 2025-03-31.basil)\` is a field as events of older API versions carry it. What an event carries is read,
  whatever version it says it is of.
- A value that nobody has mapped, a new status say, stops the event visibly (\`failed\`, code \`unmapped_value\`); after a fix it
  can be normalised again.`

/** docs/catalog.md: which Stripe event becomes which event of a contract, and where each field comes from. */
export const catalogPage = (): string =>
  `${[
    INTRO,
    ...Object.entries(describeMappings(productMappings)).flatMap(([contract, mappings]) => [
      `## ${contract}`,
      eventOverview(mappings),
      ...mappings.flatMap(mappingSection),
    ]),
    '## What no mapping reads',
    `Kept as facts for other events: ${unmappedTypes.kept.map(inCode).join(', ')}.`,
    markdownTable(['Stripe events that begin with', 'why no event is sent'], unmappedRows()),
    'Any other type is unknown to us: it is stored, answered with 200 and ignored as `unknown_type`.',
  ].join('\n\n')}\n`

const inCode = (text: string) => `\`${text}\``

/** Families of Stripe events by the reason that they share. */
const unmappedRows = () =>
  [...Map.groupBy(Object.entries(unmappedTypes.families), ([, why]) => why)].map(([why, families]) => [
    families.map(([family]) => inCode(family)).join(', '),
    why,
  ])

/** Which Stripe events can lead to each event of the contract. */
function eventOverview(mappings: readonly MappingWords[]): string {
  const mappingsByEvent = new Map<string, Set<string>>()
  for (const { rules, owed, name } of mappings)
    for (const { emits } of owed ? [...rules, owed] : rules)
      for (const type of emits) mappingsByEvent.set(type, (mappingsByEvent.get(type) ?? new Set()).add(name))
  const rows = [...mappingsByEvent].sort(([a], [b]) => (a < b ? -1 : 1))
  return markdownTable(
    ['event', 'sent by'],
    rows.map(([type, names]) => [inCode(type), [...names].map((name) => `[${name}](#${anchorOf(name)})`).join(', ')]),
  )
}

const anchorOf = (heading: string) => heading.replace(/[^\w-]/g, '').toLowerCase()

function mappingSection({ name, types, rules, owed, waitsFor, fields, names }: MappingWords): string[] {
  return [
    `### ${name}`,
    `Reads ${types.map(inCode).join(', ')}.`,
    ...(waitsFor.length > 0 ? [`Waits for ${waitsFor.join('; ')}.`] : []),
    ...(owed ? [`**${owed.emits.join('**, **')}** is sent late, before what the rules say, when ${owed.when}.`] : []),
    markdownTable(
      ['', 'when', 'what is sent'],
      rules.map((rule, at) => [String(at + 1), rule.when, [ruleEffect(rule), ...rule.remarks].join(' ')]),
    ),
    markdownTable(
      ['field', 'from'],
      fields.map(({ field, source }) => [inCode(field), source]),
    ),
    ...(names.length > 0
      ? [
          markdownTable(
            ['name', 'what it stands for'],
            names.map(({ name, means }) => [`*${name}*`, means]),
          ),
        ]
      : []),
  ]
}

const ruleEffect = ({ emits, ignores }: RuleWords) =>
  ignores ? `Nothing (${inCode(ignores.code)}): ${ignores.because}` : `**${emits.join('**, then **')}**.`

const markdownTable = (head: string[], rows: string[][]) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escapeCell).join(' | ')} |`).join('\n')

const escapeCell = (cell: string) => cell.replaceAll('|', '\\|')
