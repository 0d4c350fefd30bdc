import { readBackfillProgress } from '../backfill/progress.ts'
import { STRIPE_LIST_DAYS, startBackfill } from '../backfill/start.ts'
import { type Db, inTransaction } from '../database/db.ts'
import { isUuid } from '../domain/ids.ts'
import { WAKE_CHANNEL } from '../workers/worker-session.ts'
import { backfillReportLines, backfillStatusLine } from './backfill-text.ts'
import { type CommandCall, defineCommand, UsageError } from './command.ts'
import { withDatabase } from './database.ts'
import { followUntilEnded, hasLiveWorker, toUsageError } from './follow.ts'
import { parseTime } from './option-values.ts'

const options = {
  source: { type: 'string', value: '<id>', about: 'whose events' },
  since: { type: 'string', value: '<time>', about: `created then or later, ${STRIPE_LIST_DAYS} days ago at most` },
  until: { type: 'string', value: '<time>', about: 'created before; left out: until now' },
  'failed-only': { type: 'boolean', about: 'only what Stripe could not deliver to some webhook of the account' },
  types: { type: 'string', value: '<type,...>', about: 'only these event types, 20 at most' },
  account: { type: 'string', value: '<acct_...>', about: 'the events of a connected account' },
  follow: { type: 'string', value: '<id>', about: 'start none, but show the progress of this one' },
} as const
type BackfillCall = CommandCall<typeof options>

interface BackfillDeps {
  db: Db
  now: () => Date
}

const EXIT_CODES = { completed: 0, cancelled: 1, failed: 2 } as const

export default defineCommand({
  name: 'backfill',
  summary: 'Receive what did not arrive, from Stripe’s own list of events',
  about: `Reads the list with the source’s API key and receives every event as if it had come by webhook; events that have arrived before are recognised by their ids. Stripe keeps events for ${STRIPE_LIST_DAYS} days. A running gateway does the work and resumes after a restart. This command starts the backfill and shows its progress; you can leave it at any time.`,
  options,
  examples: [
    'backfill --source 01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11 --since 7d --failed-only',
    'backfill --source 01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11 --since 2026-04-01 --types invoice.paid,invoice.created',
  ],
  run: (call) => withDatabase((db, _config, _offers, now) => runBackfill({ db, now }, call)),
})

async function runBackfill(deps: BackfillDeps, { options, printLine, printNote }: BackfillCall): Promise<number> {
  const { db } = deps
  const id = options.follow ?? (await requestBackfill(deps, options))
  const readProgress = async () => {
    const progress = isUuid(id) ? await readBackfillProgress(db, id) : undefined
    if (!progress) throw new UsageError(`There is no backfill "${id}".`)
    return progress
  }
  await readProgress()
  if (!(await hasLiveWorker(db))) {
    printNote(`No gateway with the role work runs on this database: backfill ${id} begins when one starts.`)
    printNote(`Watch it then with: flo-gateway backfill --follow ${id}`)
    return 0
  }
  printNote(`Backfill ${id}: it goes on without this command. Come back with: flo-gateway backfill --follow ${id}`)
  const { state, ...progress } = await followUntilEnded(readProgress, backfillStatusLine)
  for (const line of backfillReportLines(progress.counts)) printLine(line)
  if (state === 'failed') printNote(`It has failed: ${progress.reason} What it has received stays.`)
  if (state === 'cancelled') printNote('It was cancelled before its end.')
  return EXIT_CODES[state]
}

async function requestBackfill({ db, now }: BackfillDeps, options: BackfillCall['options']): Promise<string> {
  const { source, types, account } = options
  if (source === undefined) throw new UsageError('--source is missing: the id of the source whose events are read.')
  const since = parseTime(options.since)
  if (since === undefined)
    throw new UsageError(`--since is missing: how far back to read, ${STRIPE_LIST_DAYS}d at most.`)
  const { rows } = await db.query('select client_id from sources where id = $1', [isUuid(source) ? source : null])
  const clientId = rows[0]?.client_id
  if (!clientId) throw new UsageError(`No source has the id "${source}".`)
  const typeList = types?.split(',').map((type) => type.trim())
  if (typeList && typeList.length > 20) throw new UsageError(`--types takes 20 types at most, not ${typeList.length}.`)
  const request = {
    sourceId: source,
    since,
    until: parseTime(options.until),
    types: typeList,
    account,
    deliverySuccess: options['failed-only'] ? false : undefined,
  }
  const id = await inTransaction(db, (tx) => startBackfill(tx, clientId, request, now())).catch((error) => {
    throw toUsageError(error)
  })
  await db.query('select pg_notify($1, $2)', [WAKE_CHANNEL, `backfill:${clientId}`])
  return id
}
