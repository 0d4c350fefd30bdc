import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Json } from '../src/domain/json.ts'
import type { Fault } from './strike.ts'

const run = promisify(execFile)
const DEAD_NAMES = 20

/** Another client sends for a while to endpoints whose names nobody resolves; nothing of the good one is late or charged. */
export const deadNames: Fault = {
  name: 'dead names',
  async strike({ api }, random) {
    const { id: clientId } = await api('POST', '/v1/clients', { name: 'Dead names' })
    const endpoints: Json[] = []
    for (let at = 0; at < DEAD_NAMES; at += 1) {
      const url = `https://dead-${at}-${Math.floor(random() * 1e9)}.example/hook`
      endpoints.push(await api('POST', '/v1/endpoints', { clientId, url, retrySchedule: [0, 1], timeoutSeconds: 10 }))
    }
    const end = Date.now() + 2000 + Math.floor(random() * 3000)
    while (Date.now() < end) {
      for (const { id } of endpoints) await api('POST', `/v1/endpoints/${id}/test`, { clientId }).catch(() => {})
      await delay(200)
    }
    // What they do not take is ended with them.
    for (const { id } of endpoints) await api('DELETE', `/v1/endpoints/${id}?clientId=${clientId}`).catch(() => {})
  },
}

/** Every process may open no descriptor beyond those that it has, for a while. Linux alone can take them away from a process at work. */
export const noDescriptors: Fault = {
  name: 'no descriptors left',
  async strike({ gateways }, random) {
    const limited: { pid: number; before: string }[] = []
    for (const gateway of gateways) {
      const pid = gateway.pid()
      const used = await readdir(`/proc/${pid}/fd`).catch(() => null)
      if (used === null) continue
      const { stdout } = await run('prlimit', ['--pid', String(pid), '--nofile', '--raw', '--noheadings', '-o', 'SOFT'])
      limited.push({ pid, before: stdout.trim() })
      await run('prlimit', ['--pid', String(pid), `--nofile=${used.length}:`]).catch(() => {})
    }
    await delay(2000 + Math.floor(random() * 3000))
    // One that was killed meanwhile has its limit anew.
    for (const { pid, before } of limited)
      await run('prlimit', ['--pid', String(pid), `--nofile=${before}:`]).catch(() => {})
  },
}
