import type { Deps, Route } from './http/route.ts'
import { apiKeys } from './resources/api-keys.ts'
import { appEventRoutes } from './resources/app-events.ts'
import { backfills } from './resources/backfills.ts'
import { checkouts } from './resources/checkouts.ts'
import { clients } from './resources/clients.ts'
import { deliveries } from './resources/deliveries.ts'
import { endpointSecrets } from './resources/endpoint-secrets.ts'
import { endpointStats } from './resources/endpoint-stats.ts'
import { endpointStatus } from './resources/endpoint-status.ts'
import { endpoints } from './resources/endpoints.ts'
import { eventTypes } from './resources/event-types.ts'
import { events } from './resources/events.ts'
import { explanations } from './resources/explanations.ts'
import { mappings } from './resources/mappings.ts'
import { renormalizations } from './resources/renormalizations.ts'
import { replays } from './resources/replays.ts'
import { sourceEvents } from './resources/source-events.ts'
import { sources } from './resources/sources.ts'
import { users } from './resources/users.ts'

const resources = [
  clients,
  apiKeys,
  sources,
  users,
  checkouts,
  endpoints,
  endpointSecrets,
  endpointStatus,
  endpointStats,
  appEventRoutes,
  sourceEvents,
  explanations,
  renormalizations,
  backfills,
  events,
  deliveries,
  replays,
  eventTypes,
  mappings,
]

/** Every route under /v1, in the order of the reference. A new resource is a file and a line above. */
export const routes = (deps: Deps): Route[] => resources.flatMap((resource) => resource(deps))
