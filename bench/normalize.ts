import type { Bench, Figure, Row } from './bench.ts'
import { startChild } from './child.ts'
import { medianOf, runBeside } from './figures.ts'
import type { NormalizeConfig, NormalizeEvents } from './normalize-events.ts'

const kinds: readonly (NormalizeConfig & { what: string })[] = [
  { events: 'subscriptions', what: 'new subscriptions normalised in memory' },
  { events: 'stories', what: 'stories of the simulator normalised in memory' },
]

/** Source events/s from bytes to bytes in memory, beside reading and writing the same JSON. */
export const normalize: Row = {
  name: 'normalize',
  about: `What the gateway does with a source event between reading its row and writing rows: parsed, looked up, judged for both
contracts, placed among what is known, written as JSON; no database. By processor time. Baseline: the same bytes through
JSON.parse and JSON.stringify.`,
  async measure(bench: Bench): Promise<Figure[]> {
    const figures: Figure[] = []
    for (const kind of kinds) figures.push(await measureKind(bench, kind))
    return figures
  },
}

async function measureKind({ quick, say }: Bench, { events, what }: (typeof kinds)[number]): Promise<Figure> {
  const child = await startChild<object, NormalizeEvents>('normalize-events.ts', { events } satisfies NormalizeConfig)
  const seconds = quick ? 0.5 : 2
  const [normalized, parsed]: [number[], number[]] = [[], []]
  for (let round = 0; round <= (quick ? 2 : 5); round++) {
    const [ours, base] = [await child.ask('normalize', seconds), await child.ask('parse', seconds / 2)]
    // The first round warms it up.
    if (round === 0) continue
    normalized.push(1e6 / ours)
    parsed.push(1e6 / base)
    say(`round ${round}: ${ours.toFixed(0)} us an event, JSON alone ${base.toFixed(0)} us`)
  }
  await child.stop()
  return {
    what,
    value: medianOf(normalized),
    unit: 'events/s',
    ratio: runBeside('the same JSON, parsed and written', normalized, parsed),
    detail: { rounds: normalized, parsedRounds: parsed },
  }
}
