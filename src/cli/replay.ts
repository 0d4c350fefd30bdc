import type { Contracts } from '../../mappings/offer.ts'
import { type Db, inTransaction } from '../database/db.ts'
import { isUuid } from '../domain/ids.ts'
import { previewReplay } from '../replay/preview.ts'
import { readReplayProgress } from '../replay/progress.ts'
import type { ReplayMode } from '../replay/select-events.ts'
import { type ReplayRequest, startReplay } from '../replay/start.ts'
import { WAKE_CHANNEL } from '../workers/worker-session.ts'
import { type CommandCall, defineCommand, UsageError } from './command.ts'
import { withDatabase } from './database.ts'
import { followUntilEnded, hasLiveWorker, toUsageError } from './follow.ts'
import { parseTime } from './option-values.ts'
import { previewLines, replayReportLines, replayStatusLine } from './replay-text.ts'

const options = {
  mode: {
    type: 'string',
    value: 'failed|missing|all',
    about: 'what failed at this endpoint, what was never tried, or everything',
  },
  since: { type: 'string', value: '<time>', about: 'only events made then or later' },
  until: { type: 'string', value: '<time>', about: 'only events made before' },
  types: { type: 'string', value: '<type,...>', about: 'only these Flo events or families, such as invoice.*' },
  'dry-run': { type: 'boolean', about: 'only count what would be sent' },
  follow: { type: 'string', value: '<id>', about: 'start none, but show the progress of this one' },
} as const
type ReplayCall = CommandCall<typeof options>

const MODES: readonly string[] = ['failed', 'missing', 'all'] satisfies ReplayMode[]
const EXIT_CODES = { done: 0, cancelled: 1, failed: 2 } as const

export default defineCommand({
  name: 'replay',
  summary: 'Deliver events to an endpoint again, or those it never got',
  about:
    'failed: deliveries that failed or were skipped and were not delivered later. missing: events that match the endpoint but were never tried, because they were made before it existed or while it was disabled. all: every event that matches it. Each event becomes a new delivery, in the original order, as fast as the endpoint takes them; live deliveries are hardly delayed. A running gateway does the work and resumes after a restart. This command starts the replay and shows its progress; you can leave it at any time.',
  args: [{ name: 'endpointId?', about: 'the endpoint to deliver the events to' }],
  options,
  examples: [
    'replay 01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11 --mode failed --since 2d --dry-run',
    'replay 01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11 --mode missing --types subscription.*,invoice.paid',
  ],
  run: (call) => withDatabase((db, _config, { contracts }, now) => runReplay({ db, contracts, now }, call)),
})

interface ReplayCommandDeps {
  db: Db
  contracts: Contracts
  now: () => Date
}

async function runReplay(deps: ReplayCommandDeps, call: ReplayCall): Promise<number> {
  const { db } = deps
  const { options, printLine, printNote } = call
  if (options.follow === undefined && options['dry-run']) return printPreview(deps, call)
  const id = options.follow ?? (await requestReplay(deps, call))
  const readProgress = async () => {
    const progress = isUuid(id) ? await readReplayProgress(db, id) : undefined
    if (!progress) throw new UsageError(`There is no replay "${id}".`)
    return progress
  }
  await readProgress()
  if (!(await hasLiveWorker(db))) {
    printNote(`No gateway with the role work runs on this database: replay ${id} begins when one starts.`)
    printNote(`Watch it then with: flo-gateway replay --follow ${id}`)
    return 0
  }
  printNote(`Replay ${id}: it goes on without this command. Come back with: flo-gateway replay --follow ${id}`)
  const progress = await followUntilEnded(readProgress, replayStatusLine)
  for (const line of replayReportLines(progress)) printLine(line)
  if (progress.state === 'failed') printNote(`It has failed: ${progress.reason} What it has sent stays.`)
  if (progress.state === 'cancelled') printNote('It was cancelled before its end.')
  return EXIT_CODES[progress.state]
}

async function printPreview(deps: ReplayCommandDeps, call: ReplayCall): Promise<number> {
  const { clientId, asked } = await readRequest(deps.db, call)
  const found = await inTransaction(deps.db, (tx) => previewReplay(deps, tx, clientId, asked)).catch((error) => {
    throw toUsageError(error, { eventTypes: 'types' })
  })
  for (const line of previewLines(found)) call.printLine(line)
  return 0
}

async function requestReplay(deps: ReplayCommandDeps, call: ReplayCall): Promise<string> {
  const { db } = deps
  const { clientId, asked } = await readRequest(db, call)
  const id = await inTransaction(db, (tx) => startReplay(deps, tx, clientId, asked)).catch((error) => {
    throw toUsageError(error, { eventTypes: 'types' })
  })
  await db.query('select pg_notify($1, $2)', [WAKE_CHANNEL, `replay:${clientId}`])
  return id
}

async function readRequest(db: Db, { args, options }: ReplayCall): Promise<{ clientId: string; asked: ReplayRequest }> {
  const [endpointId] = args
  const { mode, since, until, types } = options
  if (endpointId === undefined) throw new UsageError('<endpointId> is missing: the endpoint to deliver the events to.')
  if (mode === undefined || !MODES.includes(mode)) throw new UsageError('--mode must be failed, missing or all.')
  const { rows } = await db.query('select client_id from endpoints where id = $1 and deleted_at is null', [
    isUuid(endpointId) ? endpointId : null,
  ])
  if (!rows[0]) throw new UsageError(`No endpoint has the id "${endpointId}".`)
  return {
    clientId: rows[0].client_id,
    asked: {
      endpointId,
      mode: mode as ReplayMode,
      since: parseTime(since),
      until: parseTime(until),
      eventTypes: types?.split(',').map((type) => type.trim()),
    },
  }
}
