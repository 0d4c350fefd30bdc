import { expect, test } from 'vitest'
import { type ClientEvent, readBodiesAhead } from '../../src/deliver/attempt/event-bodies.ts'

/** What is asked of bodies that all have one length. */
async function readAhead(count: number, bodyChars: number) {
  const asked: number[] = []
  const body = 'x'.repeat(bodyChars)
  const load = async (wanted: Iterable<ClientEvent>) => {
    const ids = [...wanted].map(({ eventId }) => eventId)
    asked.push(ids.length)
    return new Map(ids.map((id) => [id, { body, sourceEventId: null }]))
  }
  await readBodiesAhead(
    load,
    Array.from({ length: count }, (_, at) => ({ clientId: 'client', eventId: String(at) })),
  )
  return asked
}

test('a thousand small bodies are read by two statements, large ones up to a bound', async () => {
  expect(await readAhead(40, 1_500)).toEqual([40])
  expect(await readAhead(1_000, 1_500)).toEqual([64, 936])
  expect(await readAhead(1_000, 1024 * 1024)).toEqual([64])
  const asked = await readAhead(1_000, 20_000)
  expect(asked.reduce((sum, count) => sum + count, 0) * 20_000).toBeLessThan(6 * 1024 * 1024)
})
