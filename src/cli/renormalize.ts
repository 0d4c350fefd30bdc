import { type Db, inTransaction } from '../database/db.ts'
import { type RenormalizeFilter, renormalizeMatching } from '../normalize/renormalize.ts'
import { WAKE_CHANNEL } from '../workers/worker-session.ts'
import { defineCommand, UsageError } from './command.ts'
import { withDatabase } from './database.ts'
import { findClients, parseTime } from './option-values.ts'
import { countText } from './paint.ts'

/** Source events put back in one transaction. */
const BATCH = 1000

export default defineCommand({
  name: 'renormalize',
  summary: 'Normalise source events again that failed, were ignored or sent in part, or route unrouted ones',
  about:
    'For use after a mapping was fixed or a source was given its API key. A running gateway starts at once, otherwise the next one that starts does. Events that exist already are not made again.',
  options: {
    state: {
      type: 'string',
      value: 'failed|ignored|normalized|unrouted',
      about: 'which ones; ignored needs --code, normalized --code lines_untold',
    },
    code: { type: 'string', value: '<code>', about: 'only those with this reason, e.g. unmapped_value' },
    type: { type: 'string', value: '<type>', about: 'only events of this Stripe type' },
    since: { type: 'string', value: '<time>', about: 'only what was received then or later' },
    until: { type: 'string', value: '<time>', about: 'only what was received before' },
    client: { type: 'string', value: '<id|name>', about: 'only of this client' },
  },
  examples: [
    'renormalize --state failed',
    'renormalize --state ignored --code needs_api_key --since 7d',
    'renormalize --state normalized --code lines_untold',
  ],
  run({ options, printLine }) {
    const { state, code, type } = options
    if (state !== 'failed' && state !== 'ignored' && state !== 'normalized' && state !== 'unrouted')
      throw new UsageError('--state must be failed, ignored, normalized or unrouted.')
    if (state === 'ignored' && code === undefined)
      throw new UsageError('--state ignored needs --code: what was ignored for another reason is ignored again.')
    if (state === 'normalized' && code !== 'lines_untold')
      throw new UsageError('--state normalized needs --code lines_untold: the others were sent in full.')
    const which: RenormalizeFilter = {
      state,
      code,
      type,
      since: parseTime(options.since),
      until: parseTime(options.until),
    }
    return withDatabase(async (db) => {
      let total = 0
      for (const { id, name } of await findClients(db, options.client)) {
        const count = await renormalizeClient(db, id, which)
        if (count > 0) printLine(`${name}: ${count}`)
        total += count
      }
      printLine(`${countText(total, 'source event')} ${total === 1 ? 'goes' : 'go'} through again.`)
      return 0
    })
  },
})

async function renormalizeClient(db: Db, clientId: string, which: RenormalizeFilter): Promise<number> {
  let [count, last] = [0, null as string | null]
  do {
    const done = await inTransaction(db, (tx) =>
      renormalizeMatching(tx, clientId, which, { after: last, limit: BATCH }),
    )
    count += done.count
    last = done.last
    // Whichever process has the client's lanes takes it up.
    const room = which.state === 'unrouted' ? 'route' : 'normalize'
    if (done.count > 0) await db.query('select pg_notify($1, $2)', [WAKE_CHANNEL, `${room}:${clientId}`])
  } while (last !== null)
  return count
}
