import type { ApiDeps } from './http/api-deps.ts'
import type { Route } from './http/route.ts'
import { apiKeyRoutes } from './resources/api-keys.ts'
import { appEventRoutes } from './resources/app-events.ts'
import { backfillRoutes } from './resources/backfills.ts'
import { checkoutRoutes } from './resources/checkouts.ts'
import { clientRoutes } from './resources/clients.ts'
import { deletionRoutes } from './resources/deletions.ts'
import { deliveryRoutes } from './resources/deliveries.ts'
import { deliveryActionRoutes } from './resources/delivery-actions.ts'
import { endpointSecretRoutes } from './resources/endpoint-secrets.ts'
import { endpointStatsRoutes } from './resources/endpoint-stats.ts'
import { endpointStatusRoutes } from './resources/endpoint-status.ts'
import { endpointRoutes } from './resources/endpoints.ts'
import { eventTypeRoutes } from './resources/event-types.ts'
import { eventRoutes } from './resources/events.ts'
import { explanationRoutes } from './resources/explanations.ts'
import { mappingRoutes } from './resources/mappings.ts'
import { renormalizationRoutes } from './resources/renormalizations.ts'
import { replayRoutes } from './resources/replays.ts'
import { sourceEventRoutes } from './resources/source-events.ts'
import { sourceRouteRoutes } from './resources/source-routes.ts'
import { sourceRoutes } from './resources/sources.ts'
import { userRoutes } from './resources/users.ts'

const resources = [
  clientRoutes,
  apiKeyRoutes,
  sourceRoutes,
  sourceRouteRoutes,
  userRoutes,
  checkoutRoutes,
  endpointRoutes,
  endpointSecretRoutes,
  endpointStatusRoutes,
  endpointStatsRoutes,
  appEventRoutes,
  sourceEventRoutes,
  explanationRoutes,
  renormalizationRoutes,
  backfillRoutes,
  eventRoutes,
  deliveryRoutes,
  deliveryActionRoutes,
  replayRoutes,
  deletionRoutes,
  eventTypeRoutes,
  mappingRoutes,
]

/** Every route under /v1, in the order of the reference. A new resource is a file and a line above. */
export const declareRoutes = (deps: ApiDeps): Route[] => resources.flatMap((resource) => resource(deps))
