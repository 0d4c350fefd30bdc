import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { freshDatabase } from '../support/database.ts'
import { newSource, receiving } from '../support/receiving.ts'

// A folder with stripe-events.jsonl: recorded events that are no part of this project.
const corpus = process.env.FLO_CORPUS

test.skipIf(!corpus)('every recorded Stripe event is accepted (FLO_CORPUS)', async () => {
  const { db } = await freshDatabase()
  const { post } = await receiving(db)
  const { sourceId } = await newSource(db)
  const lines = readFileSync(`${corpus}/stripe-events.jsonl`, 'utf8').trim().split('\n')
  const refused: unknown[] = []
  for (const [at, line] of lines.entries()) {
    const answer = await post(sourceId, JSON.stringify({ ...JSON.parse(line).event, id: `evt_line_${at}` }))
    if (answer.status !== 200 || answer.body.duplicate) refused.push({ at, answer })
  }
  expect(refused).toEqual([])
  expect((await db.query('select 1 from source_events')).rowCount).toBe(lines.length)
})
