import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { tryingClient } from '../support/trying.ts'

// Only Linux takes descriptors away from a process at work.
test.runIf(process.platform === 'linux')(
  'without descriptors deliveries wait: they are told as our own lack, fail nowhere and open no breaker',
  async () => {
    const { url } = await freshDatabase()
    const env = environment(url)
    const running = runGateway(await temporaryFolder(), env)
    const at = await running.listening()
    const pid = present(running.child.pid)
    const api = (...request: [string, string, unknown?]) => call({ url: at, key: env.FLO_ADMIN_KEY }, ...request)
    const { newEndpoint, send, delivery, attempts } = await tryingClient(api)
    const receiver = await startReceiver({ headers: { connection: 'close' } })
    const { id } = await newEndpoint({ url: receiver.url, retrySchedule: [] })

    // One connection carries the requests of this test, and is open by now.
    const used = (await readdir(`/proc/${pid}/fd`)).length
    await promisify(execFile)('prlimit', ['--pid', String(pid), `--nofile=${used}:`])
    const sent: string[] = []
    for (let times = 0; times < 20; times++) sent.push(await send(id))
    for (const one of sent) {
      const made = await eventually(async () => (await attempts(one)).length > 0 && (await attempts(one)))
      expect(made[0]).toMatchObject({ status: null, error: 'gateway' })
    }
    await promisify(execFile)('prlimit', ['--pid', String(pid), '--nofile=1024:'])

    for (const one of sent) await eventually(async () => (await delivery(one)).state === 'delivered')
    const { body } = await api('GET', `/v1/endpoints/${id}`)
    expect(body.data).toMatchObject({ status: 'enabled', breaker: { state: 'closed' }, failingSince: null })
    expect(receiver.requests).toHaveLength(20)
  },
  120_000,
)
