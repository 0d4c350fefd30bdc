import { expect, test } from 'vitest'
import { freeze, killAll, killOne } from '../../torture/faults.ts'
import { addsUpAfter, struckBy, underLoad } from '../support/faults.ts'
import { present } from '../support/present.ts'

const ZONES = ['Pacific/Kiritimati', 'America/Adak', 'Asia/Kathmandu', 'UTC', 'Australia/Lord_Howe']

test('five processes on one database, each in a time zone of its own, are killed again and again: nothing is lost', async () => {
  const setting = await underLoad({
    processes: ZONES.length,
    env: (process) => ({ TZ: present(ZONES[process]) }),
    settings: { timezone: 'America/St_Johns', log_timezone: 'Asia/Tehran' },
  })
  const startedAt = Date.now()
  const struck = await struckBy(setting, [killOne, killOne, killAll, killOne, freeze], () => 0.2)
  const { accepted } = await addsUpAfter(setting, struck)
  // 40 before the first fault, and 10 after each.
  expect(accepted).toBeGreaterThanOrEqual(90)

  // Times are moments, wherever they are written and read.
  const { clientId, api } = setting
  for (const list of ['source-events', 'events', 'deliveries']) {
    const [newest] = await api('GET', `/v1/${list}?clientId=${clientId}&limit=1`)
    const at = Date.parse(newest.receivedAt ?? newest.createdAt ?? newest.occurredAt)
    expect(at).toBeGreaterThan(startedAt - 60_000)
    expect(at).toBeLessThan(Date.now() + 60_000)
  }
})
