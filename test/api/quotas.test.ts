import { describe, expect, test } from 'vitest'
import { apiOn, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'
import { present } from '../support/present.ts'

const { db } = await freshDatabase()
const clock = { ms: Date.parse('2026-01-01T00:00:00Z') }
const api = apiOn(db, { now: () => new Date(clock.ms) })
const { ours, theirs } = await twoClients(api)
const change = (quotas: object) => api.admin.patch(`/v1/clients/${ours.clientId}`, { quotas })
const make = (client = ours) => client.full.post('/v1/endpoints', { url: 'https://example.com/hook' })

describe('quotas of a client', () => {
  test('are unbounded until an operator sets them, each by itself, and shown with the client', async () => {
    const { body } = await api.admin.get(`/v1/clients/${ours.clientId}`)
    expect(body.data.quotas).toEqual({ endpoints: null, requestsPerSecond: null })
    expect((await change({ endpoints: 7 })).body.data.quotas).toEqual({ endpoints: 7, requestsPerSecond: null })
    expect((await change({ requestsPerSecond: 30 })).body.data.quotas).toEqual({ endpoints: 7, requestsPerSecond: 30 })
    expect((await change({ endpoints: null, requestsPerSecond: null })).body.data.quotas).toEqual(body.data.quotas)
    const made = await api.admin.post('/v1/clients', { name: 'Small', quotas: { endpoints: 1 } })
    expect(made.body.data.quotas).toEqual({ endpoints: 1, requestsPerSecond: null })
  })

  test('are set by operators alone, and checked', async () => {
    expect((await ours.full.patch(`/v1/clients/${ours.clientId}`, { quotas: { endpoints: 9 } })).status).toBe(403)
    const { status, body } = await change({ requestsPerSecond: 0 })
    expect([status, body.error.details[0].path]).toEqual([422, 'quotas.requestsPerSecond'])
  })

  test('bound how many endpoints there are, however many are made at once; a deleted one makes room', async () => {
    const { data } = (await ours.full.get('/v1/endpoints')).body
    await change({ endpoints: data.length + 2 })
    const replies = await Promise.all(Array.from({ length: 6 }, () => make()))
    expect(replies.map(({ status }) => status).sort()).toEqual([201, 201, 409, 409, 409, 409])
    const refused = present(replies.find(({ status }) => status === 409))
    expect(refused.body.error).toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringContaining(`may have ${data.length + 2}`),
    })
    expect((await make(theirs)).status).toBe(201)
    const { id } = present(replies.find(({ status }) => status === 201)).body.data
    expect((await ours.full.delete(`/v1/endpoints/${id}`)).status).toBe(204)
    expect((await make()).status).toBe(201)
  })

  test('bound what all keys of a client ask together', async () => {
    await change({ requestsPerSecond: 2 })
    const get = (as = ours.full) => as.get('/v1/event-types/invoice.paid?contract=flo.v1')
    const statuses: number[] = []
    for (let sent = 0; sent < 22; sent += 1) statuses.push((await get(sent % 2 ? ours.full : ours.reader)).status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(20)
    const { status, body, headers } = await get()
    expect([status, headers['retry-after']]).toEqual([429, '1'])
    expect(body.error).toMatchObject({ code: 'rate_limited', message: expect.stringContaining('2 requests a second') })
    expect((await get(theirs.full)).status).toBe(200)
    clock.ms += 500
    expect((await get()).status).toBe(200)
  })
})
