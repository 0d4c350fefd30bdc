import { apiKeys } from './api-keys.ts'
import { appEventRoutes } from './app-events.ts'
import { backfills } from './backfills.ts'
import { checkouts } from './checkouts.ts'
import { clients } from './clients.ts'
import { deliveries } from './deliveries.ts'
import { endpointSecrets } from './endpoint-secrets.ts'
import { endpointStats } from './endpoint-stats.ts'
import { endpointStatus } from './endpoint-status.ts'
import { endpoints } from './endpoints.ts'
import { eventTypes } from './event-types.ts'
import { events } from './events.ts'
import { explanations } from './explain.ts'
import { mappings } from './mappings.ts'
import { renormalizations } from './renormalize.ts'
import { replays } from './replays.ts'
import type { Deps, Route } from './route.ts'
import { sourceEvents } from './source-events.ts'
import { sources } from './sources.ts'
import { users } from './users.ts'

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
