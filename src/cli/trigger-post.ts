import type { Scenario } from '../../simulator/scenario.ts'
import { signedRequest } from '../../simulator/signed-request.ts'
import { simulate } from '../../simulator/simulate.ts'
import { ConfigError } from '../errors.ts'

type StripeEvent = ReturnType<typeof simulate>[number]
interface StoryOptions {
  seed: string
  apiVersion: string
  clientUserId: string | null
  /** What the platform writes onto its objects, such as the name of the client. */
  metadata: Readonly<Record<string, string>>
  /** The connected account that the events are about; null: the source's own. */
  account: string | null
  /** Takes the place of the story's own (first) customer. */
  customer: string | undefined
  now: Date
}

/** The events of a scenario, the last of which was created about now, as if its story had just come to its end. */
export function eventsUntilNow(scenario: Scenario, { now, customer, ...simulation }: StoryOptions): StripeEvent[] {
  const playFrom = (start: Date) => simulate(scenario, { ...simulation, start })
  let start = now
  // Months differ in length: the second guess corrects the first one.
  for (let guess = 0; guess < 3; guess += 1) {
    const end = (playFrom(start).at(-1)?.created ?? 0) * 1000
    if (guess > 0 && end <= now.getTime()) break
    start = new Date(start.getTime() - (end - now.getTime()))
  }
  return replaceCustomer(playFrom(start), customer)
}

function replaceCustomer(events: StripeEvent[], customer: string | undefined): StripeEvent[] {
  const own = events.find(({ type }) => type === 'customer.created')?.data.object.id
  if (customer === undefined || own === undefined) return events
  return JSON.parse(JSON.stringify(events).replaceAll(`"${own}"`, () => JSON.stringify(customer)))
}

/** Posts one event, signed as of now, as Stripe would. Throws a ConfigError when the gateway cannot be reached or refuses it. */
export async function postEvent(webhookUrl: string, event: StripeEvent, secret: string): Promise<void> {
  const request = signedRequest(event, secret, new Date())
  const response = await fetch(webhookUrl, { method: 'POST', ...request }).catch((cause) => {
    throw new ConfigError(`No gateway answers at ${webhookUrl}: start it, or say with --url where it listens.`, {
      cause,
    })
  })
  if (response.status === 200) return
  const answer = await response.text()
  throw new ConfigError(
    `${webhookUrl} answered ${response.status} to ${event.type}: ${answer.slice(0, 300)}\nIs this the gateway of this database? --url says where it listens.`,
  )
}
