import { expect } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { eventually } from './eventually.ts'

type Api = (method: string, path: string, body?: unknown) => Promise<{ status: number; body: Json }>

/** A client of this gateway whose endpoints are made and tried over the management API alone. */
export async function tryingClient(api: Api) {
  const { body } = await api('POST', '/v1/clients', { name: 'Trying' })
  const clientId: string = body.data.id

  const ask = (fields: object) => api('POST', '/v1/endpoints', { clientId, retrySchedule: [], ...fields })
  /** An endpoint with one attempt for each delivery, unless `fields` say otherwise. */
  const newEndpoint = async (fields: object) => {
    const { status, body } = await ask(fields)
    expect(status, JSON.stringify(body)).toBe(201)
    return body.data
  }
  /** Sends a test event; its delivery's id. */
  const send = async (endpointId: string): Promise<string> => {
    const { status, body } = await api('POST', `/v1/endpoints/${endpointId}/test`)
    expect(status, JSON.stringify(body)).toBe(201)
    return body.data.id
  }
  const delivery = async (id: string) => (await api('GET', `/v1/deliveries/${id}`)).body.data
  /** In the order they were made. */
  const attempts = async (id: string): Promise<Json[]> =>
    (await api('GET', `/v1/deliveries/${id}/attempts?order=asc`)).body.data
  /** Sends a test event and waits for its end: the delivery with its attempts. */
  const sent = async (endpointId: string) => {
    const id = await send(endpointId)
    const ended = await eventually(async () => {
      const row = await delivery(id)
      return row.state !== 'pending' && row
    })
    return { ...ended, made: await attempts(id) }
  }
  return { clientId, ask, newEndpoint, send, sent, delivery, attempts }
}
