import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Routing } from '../domain/routing.ts'
import { type RoutingClues, readRoutingClues } from '../domain/routing-clues.ts'
import { Refusal } from '../errors.ts'
import { type JsonObject, laneOf, nonEmptyString } from './lane.ts'

/** What is read from an event before it is stored: its identity, and what lists and lanes need. */
export interface Envelope {
  eventId: string
  type: string
  apiVersion: string | null
  /** The connected account that it is about; '' for the source's own account. */
  account: string
  livemode: boolean
  createdAt: Date
  lane: number
  /** Of a source that routes: what tells whose it is. */
  clues?: RoutingClues
}

/** What of a source its events are read by. */
interface EnvelopeSource {
  id: string
  /** Where it routes its events: how. */
  routing?: Routing | null | undefined
  /** Of a list of Stripe's: the connected account whose it is, for events that do not name theirs. */
  account?: string
}

/**
 * Reads the envelope of a snapshot event or of a thin one (`object: "v2.core.event"`). Only an id and a type are required;
 * the rest may be missing or have another shape, since Stripe still sends API versions from 2014 on.
 * Throws `malformed_json` or `event_malformed`.
 */
export function readEnvelope(
  bytes: Buffer,
  { id: sourceId, routing = null, account: listedAccount = '' }: EnvelopeSource,
  receivedAt: Date,
): Envelope {
  const event = parseJsonObject(bytes)
  const id = nonEmptyString(event.id)
  const type = nonEmptyString(event.type)
  if (!id || !type) throw new Refusal('event_malformed')
  // Thin events name the account as their context.
  const account = nonEmptyString(event.account) ?? nonEmptyString(event.context) ?? listedAccount
  const livemode = event.livemode === true
  return {
    // All test events of Stripe's dashboard have this id: only their content distinguishes them.
    eventId: /^evt_0+$/.test(id) ? `sha256:${createHash('sha256').update(bytes).digest('hex')}` : id,
    type,
    apiVersion: nonEmptyString(event.api_version) ?? null,
    ...{ account, livemode },
    createdAt: creationTime(event.created, receivedAt),
    lane: laneOf(sourceId, event, id),
    ...(routing && { clues: readRoutingClues(event, routing, { account, livemode }) }),
  }
}

function parseJsonObject(bytes: Buffer): JsonObject {
  // Decoding would silently replace invalid bytes by U+FFFD.
  if (!isUtf8(bytes)) throw new Refusal('malformed_json', { message: 'The request body is not valid UTF-8.' })
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new Refusal('malformed_json')
  }
  if (typeof value !== 'object' || value === null) throw new Refusal('event_malformed')
  return value as JsonObject
}

// Seconds in snapshot events, ISO 8601 in thin ones. The time of receipt when it is missing, or outside the years that both
// PostgreSQL and JavaScript can write.
function creationTime(created: unknown, receivedAt: Date): Date {
  const at = new Date(typeof created === 'number' ? created * 1000 : (nonEmptyString(created) ?? Number.NaN))
  const year = at.getUTCFullYear()
  return year >= 1 && year <= 9999 ? at : receivedAt
}
