import type { Db, Queryable } from '../database/db.ts'
import { diffClient } from '../normalize/diff/diff.ts'
import type { SourceEventDifference } from '../normalize/diff/differences.ts'
import { defineCommand, UsageError } from './command.ts'
import { withDatabase } from './database.ts'
import { type DiffSummary, differenceText, summaryText } from './diff-text.ts'
import { findClients, parseCount, parseTime } from './option-values.ts'

const DEFAULT_LIMIT = 50

export default defineCommand({
  name: 'mappings diff',
  summary: 'Compare what the current mappings would make of stored events with what was made of them',
  about:
    'Stored Stripe events are normalised again in memory, in the order they were received. Nothing is written or sent. Exits with 0 when nothing would change, with 1 when something would.',
  options: {
    since: { type: 'string', value: '<time>', about: 'events received at this time or later' },
    until: { type: 'string', value: '<time>', about: 'events received before this time (default: now)' },
    client: { type: 'string', value: '<id|name>', about: 'only of this client' },
    type: { type: 'string', value: '<type>', about: 'show only events of this Stripe type' },
    limit: { type: 'string', value: '<n>', about: `show ${DEFAULT_LIMIT} source events at most; all are counted` },
    json: { type: 'boolean', about: 'print JSON' },
  },
  examples: [
    'mappings diff --since 7d',
    'mappings diff --since 2026-04-01 --until 2026-04-08 --type invoice.paid --json',
  ],
  run({ options, printLine, printNote }) {
    const since = parseTime(options.since)
    if (!since) throw new UsageError('--since is missing: the time from which events are compared.')
    const until = parseTime(options.until)
    const limit = parseCount(options.limit, 'limit') ?? DEFAULT_LIMIT
    const { type, json } = options
    return withDatabase(async (db, { holdSeconds }, { mappings }) => {
      const shown: SourceEventDifference[] = []
      const summary = newSummary(since, until ?? new Date())
      const onDifference = (difference: SourceEventDifference) => {
        if (type !== undefined && difference.sourceEvent.type !== type) return
        addToSummary(summary, difference)
        if (summary.sourceEvents > limit) return
        if (json) shown.push(difference)
        else printLine(`${differenceText(difference)}\n`)
      }
      await withReadOnlySession(db, async (reading) => {
        for (const { id, name } of await findClients(reading, options.client)) {
          const onProgress = (examined: number) => {
            if (process.stderr.isTTY) process.stderr.write(`\r${name}: ${examined} source events`)
          }
          const totals = await diffClient(
            { db: reading, mappings, holdSeconds },
            id,
            { since, until },
            { onDifference, onProgress },
          )
          if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
          summary.examined += totals.examined
          summary.withoutBody += totals.withoutBody
          summary.events.same += totals.events.same
          summary.registeredSince += totals.events.registeredSince
        }
      })
      if (json) printLine(JSON.stringify({ differences: shown, summary }, null, 2))
      else printLine(summaryText(summary, Math.min(limit, summary.sourceEvents)))
      if (summary.examined === 0) printNote('No source event was received in that time.')
      return summary.sourceEvents === 0 ? 0 : 1
    })
  },
})

/** A session in which PostgreSQL itself refuses to write. */
async function withReadOnlySession<T>(db: Db, work: (reading: Queryable) => Promise<T>): Promise<T> {
  const session = await db.connect()
  try {
    await session.query('set default_transaction_read_only = on')
    return await work(session)
  } finally {
    session.release(true)
  }
}

const newSummary = (since: Date, until: Date): DiffSummary => ({
  since,
  until,
  examined: 0,
  withoutBody: 0,
  sourceEvents: 0,
  unsure: 0,
  events: { same: 0, added: 0, removed: 0, changed: 0 },
  registeredSince: 0,
})

function addToSummary(summary: DiffSummary, { added, removed, changed, unsure }: SourceEventDifference) {
  summary.sourceEvents += 1
  if (unsure) summary.unsure += 1
  summary.events.added += added.length
  summary.events.removed += removed.length
  summary.events.changed += changed.length
}
