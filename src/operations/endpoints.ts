import { operations } from '../contracts/operations.ts'
import type { Tx } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { EndpointChange } from '../watch.ts'
import type { Finding, OperationalEvent } from './emit.ts'
import { claimNews } from './news.ts'

/**
 * The operational event of a change of an endpoint. Its key names the change itself: when the endpoint was disabled, or since when
 * it fails. Endpoints that receive operational events get none about themselves: it would fail as well. Changes that come too
 * often are logged instead.
 */
export const createEndpointFinding =
  (change: EndpointChange, { log, now }: { log: Log; now: () => Date }): Finding =>
  async (tx) => {
    const claim = change.what === 'disabled' ? 'told' : await claimNews(tx, change)
    if (claim === 'withheld') log.warn(change, 'operations.flutters')
    if (claim !== 'told') return null
    const row = await readEndpoint(tx, change)
    if (!row || row.contract === operations.name) return null
    const { disabledAt, failingSince, ...endpoint } = row
    const { clientId, endpointId } = change
    const createHappening = (
      type: OperationalEvent['type'],
      since: Date,
      about: object = {},
      failing: Date | null = failingSince,
    ): OperationalEvent =>
      ({
        type,
        clientId,
        key: `${type} ${endpointId} ${since.toISOString()}`,
        occurredAt: type === 'endpoint.disabled' ? since : now(),
        about: { endpoint: { ...endpoint, failingSince: failing?.toISOString() ?? null }, ...about },
      }) as OperationalEvent
    switch (change.what) {
      case 'disabled':
        // null: it was enabled again in the meantime, and there is nothing left to do.
        return disabledAt && createHappening('endpoint.disabled', disabledAt)
      case 'failing':
        return createHappening('endpoint.failing', change.since, {}, change.since)
      case 'recovered':
        return createHappening('endpoint.recovered', change.since, {}, null)
      case 'exhausted': {
        const { deliveryId, eventId, eventType, attempts } = change
        const delivery = { id: deliveryId, eventId, eventType, attempts }
        return createHappening('delivery.exhausted', change.since, { delivery }, change.failingSince)
      }
      default:
        return change satisfies never
    }
  }

interface EndpointRow {
  id: string
  url: string
  contract: string
  description: string | null
  status: 'enabled' | 'disabled'
  disabledReason: 'manual' | 'gone' | 'failing' | null
  disabledAt: Date | null
  failingSince: Date | null
}

async function readEndpoint(tx: Tx, { clientId, endpointId }: EndpointChange): Promise<EndpointRow | undefined> {
  const { rows } = await tx.query<EndpointRow>(
    `select e.id, e.url, e.contract, e.description, e.status, e.disabled_reason as "disabledReason",
            e.disabled_at as "disabledAt", h.failing_since as "failingSince"
       from endpoints e
       left join endpoint_health h on h.client_id = e.client_id and h.endpoint_id = e.id
      where e.client_id = $1 and e.id = $2 and e.deleted_at is null`,
    [clientId, endpointId],
  )
  return rows[0]
}

/** Endpoints that were disabled within the last hour: the process that noticed it may have died before it said so. */
export async function findRecentlyDisabled(tx: Pick<Tx, 'query'>): Promise<EndpointChange[]> {
  const { rows } = await tx.query(
    `select client_id as "clientId", id as "endpointId", 'disabled' as what, disabled_reason as reason
       from endpoints
      where status = 'disabled' and disabled_at > now() - interval '1 hour' and deleted_at is null and contract <> $1`,
    [operations.name],
  )
  return rows
}
