import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { openChannel } from '../../src/processes/channel.ts'

interface Calls {
  double(number: number): Promise<number>
  fail(argument: null): void
  keepSilent(argument: null): Promise<void>
}

/** Two ends, as Node's IPC has them: what one sends the other hears, as plain data and later. */
function connectedEnds() {
  const ends = [new EventEmitter(), new EventEmitter()] as const
  const endOf = (own: EventEmitter, other: EventEmitter) => ({
    on: (event: 'message', listener: (message: unknown) => void) => own.on(event, listener),
    send(message: object, onSent: (error: Error | null) => void) {
      const sent = JSON.parse(JSON.stringify(message))
      setImmediate(() => {
        other.emit('message', sent)
        onSent(null)
      })
    },
  })
  return [endOf(ends[0], ends[1]), endOf(ends[1], ends[0])] as const
}

function connected() {
  const [here, there] = connectedEnds()
  openChannel<object, Calls>(there, {
    double: async (number) => 2 * number,
    fail() {
      throw new Error('It went wrong.')
    },
    keepSilent: () => new Promise(() => {}),
  })
  return openChannel<Calls>(here, {})
}

test('calls are answered to whoever asked, and their errors are told', async () => {
  const channel = connected()
  expect(await Promise.all([1, 2, 3].map((number) => channel.ask('double', number)))).toEqual([2, 4, 6])
  await expect(channel.ask('fail', null)).rejects.toThrow('It went wrong.')
})

test('an answer that does not come is waited for as long as asked for, and not beyond the end of the other side', async () => {
  const channel = connected()
  await expect(channel.ask('keepSilent', null, { waitMs: 5 })).rejects.toThrow('No answer to keepSilent in 5 ms.')
  const asked = channel.ask('keepSilent', null)
  channel.close()
  await expect(asked).rejects.toThrow('The other side has ended.')
  await expect(channel.ask('double', 1)).rejects.toThrow('The other side has ended.')
})
