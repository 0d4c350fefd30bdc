import { describe, expect, test } from 'vitest'
import { apiOn } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'

const { db } = await freshDatabase()
const api = apiOn(db)
const { body: client } = await api.admin.post('/v1/clients', { name: 'A' })
const clientId: string = client.data.id

describe('the key __proto__ is refused with its path, and never left out in silence', () => {
  const fields = `"clientId":"${clientId}","url":"https://example.com/hook"`
  test.each([
    ['metadata', `{${fields},"metadata":{"__proto__":"x","a":"b"}}`],
    ['headers', `{${fields},"headers":{"__proto__":"x"}}`],
  ])('%s', async (field, text) => {
    const reply = await api.admin.post('/v1/endpoints', text)
    expect(reply.status).toBe(422)
    expect(reply.body.error.details).toMatchObject([{ path: `${field}.__proto__`, code: 'invalid_key' }])
  })
})

describe('the bound of a URL holds for what is stored', () => {
  const long = (part: string) => `https://example.com/${part.repeat(Math.floor(2_000 / part.length))}`
  test.each([
    ['spaces', long('a b')],
    ['letters beyond ASCII', long('ä')],
    ['a query', `https://example.com/?q=${'"'.repeat(1_900)}`],
  ])('%s that are escaped', async (_, url) => {
    expect(url.length).toBeLessThanOrEqual(2048)
    const made = await api.admin.post('/v1/endpoints', { clientId, url })
    expect(made.body.error).toMatchObject({ code: 'invalid', details: [{ path: 'url' }] })
    const { body: plain } = await api.admin.post('/v1/endpoints', { clientId, url: 'https://example.com/' })
    expect((await api.admin.patch(`/v1/endpoints/${plain.data.id}`, { url })).status).toBe(422)
  })

  test('one of just the bound is stored, and can be changed to itself', async () => {
    const url = `https://example.com/${'a'.repeat(2048 - 20)}`
    const { body: made } = await api.admin.post('/v1/endpoints', { clientId, url })
    expect(made.data.url).toHaveLength(2048)
    expect((await api.admin.patch(`/v1/endpoints/${made.data.id}`, { url: made.data.url })).status).toBe(200)
  })
})
