import { renderEvents, type StripeEvent } from './render/event.ts'
import type { Scenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import { asRenderedWhenSent } from './sending.ts'
import { NEWEST } from './versions.ts'
import { newWorld } from './world.ts'

export interface Simulation {
  /** The same seed tells the same story, ids included. */
  seed?: string | number
  /** Decides the shape, and what Stripe's API did by default at that time. */
  apiVersion?: string
  /** When the story begins; the objects' times follow from it. */
  start?: Date
  /** The connected account that the events are about; none by default. */
  account?: string | null
  livemode?: boolean
  /** The client's own id of the user, as it stands in the customer's metadata and on Checkout pages; none by default. */
  clientUserId?: string | null
  /**
   * What the platform writes into the metadata of every customer, subscription and Checkout session that it makes, such as the
   * `flo_client` by which a routed source knows the client. Stripe copies it nowhere: payments and invoices have none of it.
   */
  metadata?: Readonly<Record<string, string>>
  /** When Stripe renders the object of an event: each as it happens, the default, or as it does in a hurry, when it is sent. */
  rendered?: (typeof RENDERED)[number]
}

/** Both ways in which Stripe tells a story. */
export const RENDERED = ['when it happens', 'when it is sent'] as const

/**
 * The events that Stripe would send in the course of a scenario, in causal order; several share a second, as they do in life.
 * `scenario` is one of `scenarios.ts`, by name or itself. Throws when there is none of that name.
 */
export function simulate(scenario: string | Scenario, simulation: Simulation = {}): StripeEvent[] {
  const story = typeof scenario === 'string' ? scenarios.find(({ name }) => name === scenario) : scenario
  if (!story)
    throw new Error(
      `No scenario is named "${scenario}": choose one of ${scenarios.map(({ name }) => name).join(', ')}.`,
    )
  const { apiVersion = NEWEST, account = null, livemode = false, clientUserId = null } = simulation
  const { rendered = 'when it happens', metadata = {} } = simulation
  const start = simulation.start ?? new Date('2026-03-01T09:30:00Z')
  const world = newWorld({ seed: String(simulation.seed ?? 1), apiVersion, start, livemode, clientUserId, metadata })
  story.play(world)
  const happenings = rendered === 'when it is sent' ? asRenderedWhenSent(world.happenings) : world.happenings
  return renderEvents(happenings, { apiVersion, livemode, account })
}
