import { expect } from 'vitest'
import type { Db } from '../../src/database/db.ts'
import type { AppEventType } from '../../src/domain/app-events.ts'
import type { Json } from '../../src/domain/json.ts'
import type { twoClients } from './api.ts'

export const SINGLE = '/v1/app-events'
export const BATCH = '/v1/app-events/batch'

/** A `data` of each type with every member in it. */
export const appData: Readonly<Record<AppEventType, Record<string, unknown>>> = {
  'user.login': { at: '2026-06-06T12:00:00.000Z', ip: '203.0.113.7', user_agent: 'Mozilla/5.0' },
  'team_member.added': { id: 'member_7', email: 'grace@example.com', role: 'admin' },
  'usage.metrics_updated': {
    metric: 'api_calls',
    value: 1204.5,
    unit: 'calls',
    period_start: '2026-06-01T00:00:00.000Z',
    period_end: '2026-07-01T00:00:00.000Z',
  },
  'tos.accepted': { version: '2026-01', accepted_at: '2026-06-06T12:00:00.000Z', ip: '2001:db8::7' },
  'account.created': {
    id: 'acc_1',
    email: 'ada@example.com',
    name: 'Ada',
    created_at: '2026-06-06T12:00:00.000Z',
  },
}

/** An event of the application as it is published; `fields` come last. */
export const appEvent = (type: AppEventType = 'user.login', fields: object = {}) => ({
  type,
  clientUserId: 'user_123',
  data: appData[type],
  ...fields,
})

/** Publishes as one client, and looks at what is stored. */
export function publishing(db: Db, { full }: Awaited<ReturnType<typeof twoClients>>['ours']) {
  const stored = async (): Promise<number> =>
    (await db.query('select count(*) as n from source_events where source_id = client_id')).rows[0].n
  return {
    publish: (event: unknown, headers = {}) => full.post(SINGLE, event, headers),
    /** Of all clients. */
    stored,
    /** The details of a refusal; fails when anything was stored meanwhile. */
    async refuses(send: () => Promise<{ status: number; body: Json }>, status = 422) {
      const before = await stored()
      const reply = await send()
      expect([reply.status, await stored()], JSON.stringify(reply.body)).toEqual([status, before])
      return reply.body.error.details as { path: string; code: string; message: string }[]
    },
    /** What was stored as the bytes of a source event. */
    bodyOf: async (id: string) =>
      JSON.parse((await full.get(`/v1/source-events/${id}`)).body.data.body) as Record<string, Json>,
  }
}
