import { expect, test } from 'vitest'
import { simulate } from '../../simulator/simulate.ts'
import type { Json } from '../../src/domain/json.ts'
import { packSnapshot } from '../../src/normalize/world/snapshots.ts'
import { story } from '../support/story.ts'

// Names of properties here are names in the database: rows of the release before are read by this one, and the other way round
// during an update. A compiler does not notice when one is renamed.

/** What 0.1.0 writes into `objects.snapshot` and `objects.memory`, as paths; `*` stands for ids, types and names of mappings. */
const WRITTEN_BY_0_1_0 = [
  'memory.due',
  'memory.flags.announced',
  'memory.flags.overdue',
  'memory.flags.purchased',
  'memory.occasions.*.at',
  'memory.occasions.*.by.*',
  'memory.occasions.*.of',
  'memory.said.*.created',
  'memory.said.*.digest',
  'memory.said.*.eventId',
  'memory.said.*.stage',
  'memory.uuids.invoice',
  'memory.uuids.subscription',
  'snapshot.base.created',
  'snapshot.base.eventId',
  'snapshot.base.kind',
  'snapshot.base.object',
  'snapshot.base.objectId',
  'snapshot.base.previous',
  'snapshot.base.type',
  'snapshot.tied.created',
  'snapshot.tied.eventId',
  'snapshot.tied.kind',
  'snapshot.tied.object',
  'snapshot.tied.objectId',
  'snapshot.tied.previous',
  'snapshot.tied.type',
  'tally.object.entries.amount',
  'tally.object.entries.id',
  'tally.object.entries.pending',
  'tally.object.entries.upTo',
]

const SCENARIOS = ['overdue', 'pause-collection', 'plan-change', 'refund-fails', 'renewal', 'trial-converts']

test('what is stored of objects has the names that the release before gave it', () => {
  const written = new Set<string>()
  for (const scenario of SCENARIOS)
    for (const { kind, snapshot, memory } of story(simulate(scenario)).world.objects.values())
      if (kind === 'tally') addPaths(written, 'tally', snapshot)
      else {
        addPaths(written, 'snapshot', packSnapshot(snapshot))
        addPaths(written, 'memory', memory)
      }
  expect([...written].sort()).toEqual(expect.arrayContaining(WRITTEN_BY_0_1_0))
})

const NAMES_BELOW = /^memory\.(said|occasions|occasions\.\*\.by)$/
const STRIPES_OWN = /^snapshot(\.(tied|base))?\.(object|previous)$/

function addPaths(paths: Set<string>, path: string, value: Json): void {
  if (typeof value !== 'object' || value === null || STRIPES_OWN.test(path)) return void paths.add(path)
  for (const [key, below] of Object.entries(value))
    addPaths(paths, Array.isArray(value) ? path : `${path}.${NAMES_BELOW.test(path) ? '*' : key}`, below)
}
