import { expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { Explanation as Schema } from '../../src/api/resources/explanation-schema.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { explainSourceEvent } from '../../src/normalize/explain/explain.ts'
import { freshDatabase } from '../support/database.ts'
import { cases } from '../support/fixtures.ts'
import { normalizeClient } from '../support/normalizing.ts'
import { lanes, newSource } from '../support/storing.ts'

const { db } = await freshDatabase()
const deps = { db, log: newLog('silent'), mappings, fanOut, now: () => new Date(), holdSeconds: 0 }

test.each(cases)('%s is explained as it was, right after it happened', async (_, events) => {
  const source = await newSource(db)
  for (const event of events) {
    const [id] = await source.store(event).catch(() => [])
    if (!id) continue
    while ((await normalizeClient(deps, source.clientId, lanes)).sourceEventCount > 0);
    const explanation = await explainSourceEvent(deps, source.clientId, id)
    const { error } = Schema.safeParse(JSON.parse(JSON.stringify(explanation)))
    expect(error?.issues ?? []).toEqual([])
    expect(explanation.differs, JSON.stringify(explanation.sourceEvent.eventId)).toBeNull()
  }
})
