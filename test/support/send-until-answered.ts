import { setTimeout as delay } from 'node:timers/promises'

const SENDERS = 32

/**
 * Sends what has no answer yet, from several senders at once, until nothing is left or `isOver`. `send` says whether a request
 * was answered; what was not stays in `unanswered`, as Stripe and an application would keep it.
 */
export async function sendUntilAnswered<Request>(
  unanswered: Request[],
  send: (request: Request) => Promise<boolean>,
  isOver: () => boolean = () => false,
): Promise<void> {
  const sendOneByOne = async () => {
    while (!isOver()) {
      const request = unanswered.pop()
      if (request === undefined) return
      if (await send(request).catch(() => false)) continue
      unanswered.push(request)
      await delay(50)
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, sendOneByOne))
}
