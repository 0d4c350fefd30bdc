import { type Figure, isMet, type Report } from './bench.ts'
import { barText, roundFigure } from './table.ts'

/** docs/performance.md, from what a whole run wrote. */
export function performancePage(report: Report): string {
  const { date, machine, loadBefore, versions, log, results } = report
  const judged = results.flatMap(({ figures = [] }) => figures.map(isMet)).filter((held) => held !== undefined)
  const held = judged.filter(Boolean).length
  return `<!-- Made by \`npm run bench -- --publish\` from bench/published.json. -->
# Performance

How fast the gateway is compared with baselines, measured in one run on one machine. Ratios carry over to other machines, the
absolute figures do not. Measurements of the gateway and of the baseline alternate; a ratio is the median over the rounds,
each compared with the baseline round next to it, with the lowest and highest in brackets. Everything involved (Stripe
simulator, gateway, PostgreSQL, receivers, load generators) shares the machine.${
    log
      ? `
${log}`
      : ''
  }

**${held} of ${judged.length} targets met** in the run of ${date.slice(0, 10)}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB,
${machine.system}, load ${loadBefore.toFixed(1)} before the start; ${Object.entries(versions)
    .map(([name, version]) => `${name} ${version.replace(/^v/, '')}`)
    .join(', ')}.

Run it yourself: \`npm run bench\` (all), \`npm run bench -- ingest\` (one section), \`--quick\` (only checks that it runs). BullMQ
needs \`redis-server\`.

${results.map(sectionText).join('\n\n')}
`
}

function sectionText({ row, about, figures = [], error }: Report['results'][number]): string {
  const lines = figures.map((figure) => {
    const held = isMet(figure)
    return [
      figure.what,
      `${roundFigure(figure.value)} ${figure.unit}`.trim(),
      figure.note ?? figure.ratio?.of ?? '',
      ratioText(figure),
      barText(figure).replace('>=', '≥').replace('<=', '≤'),
      held === undefined ? '' : held ? 'met' : '**missed**',
    ].join(' | ')
  })
  const costs = figures.map(costText).filter((line) => line !== '')
  return [
    `## ${row}`,
    about,
    ...(figures.length > 0
      ? [
          '| what | measured | baseline | ratio | target | |\n| --- | ---: | --- | ---: | ---: | --- |\n' +
            lines.map((line) => `| ${line} |`).join('\n'),
        ]
      : []),
    ...(costs.length > 0 ? [`CPU time per item: ${costs.join('; ')}.`] : []),
    ...(error ? [`The measurement failed: ${error.split('\n')[0]}`] : []),
  ].join('\n\n')
}

function ratioText({ ratio }: Figure): string {
  if (!ratio) return ''
  const { value, rounds = [] } = ratio
  const spread = rounds.length > 1 ? ` (${Math.min(...rounds).toFixed(2)} to ${Math.max(...rounds).toFixed(2)})` : ''
  return value.toFixed(2) + spread
}

/** CPU time per item, if the row measured it. */
function costText({ what, detail = {} }: Figure): string {
  const figureOf = (name: string) => {
    const each = detail[name]
    const values = (Array.isArray(each) ? each : [each]).filter((one): one is number => typeof one === 'number')
    return values.length > 0 ? Math.min(...values) : undefined
  }
  const [node, postgres] = [figureOf('nodeMicrosecondsEach'), figureOf('postgresMicrosecondsEach')]
  return node === undefined || postgres === undefined ? '' : `${what}: Node ${node} µs, PostgreSQL ${postgres} µs`
}
