import { expect, test } from 'vitest'
import { openPool } from '../../src/database/db.ts'
import { eventually } from '../support/eventually.ts'
import { addsUpAfter, struckBy, underLoad } from '../support/faults.ts'
import { present } from '../support/present.ts'

const ROLES = ['receive', 'work', 'api']
const EACH = 3

test('three processes for each role share one database; one of each is killed, and nothing is lost', async () => {
  const setting = await underLoad({
    processes: ROLES.length * EACH,
    roles: (process) => present(ROLES[process % ROLES.length]),
  })
  const { gateways, api, clientId, server } = setting
  const db = openPool(server.url, { max: 1 })
  const registered = async () => {
    const { rows } = await db.query(
      'select role, count(distinct id)::int as processes from workers cross join unnest(roles) role group by role',
    )
    return Object.fromEntries(rows.map(({ role, processes }) => [role, processes]))
  }
  // A worker whose heartbeat comes late is missing for a moment.
  await eventually(async () => expect(await registered()).toEqual({ receive: EACH, work: EACH, api: EACH }) ?? true)
  const { rows } = await db.query('select count(distinct worker_id)::int as holders from leases')
  await db.end()
  expect(rows[0].holders).toBeGreaterThan(0)

  const killed = ROLES.map((role, at) => ({
    name: `kill -9 of a process of ${role}`,
    async strike() {
      await present(gateways[at]).kill()
      // The others of its role go on meanwhile.
      expect(await api('GET', `/v1/deliveries?clientId=${clientId}&limit=1`)).toHaveLength(1)
    },
  }))
  const struck = await struckBy(setting, killed)
  const { accepted } = await addsUpAfter(setting, struck)
  expect(accepted).toBeGreaterThan(60)
})
