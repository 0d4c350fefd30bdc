import { z } from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import { type Contract, wireSchemaOf } from '../contracts/contract.ts'
import { refusalCodes } from '../errors.ts'
import { idReference, replyTime } from './http/field-schemas.ts'
import { healthPaths } from './http/health.ts'
import type { Route } from './http/route.ts'

const ErrorReply = z
  .strictObject({
    error: z.strictObject({
      code: z.enum(Object.keys(refusalCodes)).meta({ description: 'See docs/errors.md.' }),
      message: z.string(),
      requestId: z.string(),
      details: z.array(
        z.strictObject({
          path: z.string(),
          code: z.string(),
          message: z.string(),
          until: replyTime.optional().meta({ description: 'When what is in the way ends by itself.' }),
        }),
      ),
    }),
  })
  .meta({ id: 'Error' })

const refusals = {
  '4XX': {
    description:
      'Refused; `error.code` says why. A 429, and a 409 for a request that is still running, carry Retry-After.',
    content: { 'application/json': { schema: ErrorReply } },
  },
  '5XX': { description: 'The gateway failed.', content: { 'application/json': { schema: ErrorReply } } },
}

const idempotencyKey = z
  .string()
  .max(255)
  .optional()
  .meta({ description: 'For 24 hours, the same request with the same key is done once and gets the same answer.' })

/** The body of a route's reply: `{data, meta}`, a list's with `meta.nextCursor`. */
export const replySchema = ({ reply, meta, isList: list }: Pick<Route, 'reply' | 'meta' | 'isList'>): z.ZodType =>
  list
    ? z.strictObject({
        data: z.array(reply),
        meta: z.strictObject({
          nextCursor: z.string().nullable().meta({ description: 'null on the last page.' }),
          prevCursor: z.string().nullable().meta({ description: 'The page before; null on the first page.' }),
          completeUntil: replyTime.optional().meta({
            description:
              'In ascending order: rows made before this time are all there, and later ones are left out. Go on with it as `since`.',
          }),
          isHeldBack: z.literal(true).optional().meta({
            description:
              'In ascending order: a transaction hangs, or its start cannot be seen, so that `completeUntil` lies more than 30 s ago. Nothing is lost: later rows come when it has ended.',
          }),
          pastRetention: z.boolean().optional().meta({ description: 'true: the rows are past their retention.' }),
        }),
      })
    : z.strictObject({ data: reply, meta: meta ?? z.strictObject({}) })

function operationObject(route: Route): ZodOpenApiOperationObject {
  const { method, path, summary, description, scope, query, body, params, status, otherwise } = route
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
  const words = path.replace('/v1/', '').split(/\W+/).filter(Boolean)
  const hasBody = !(body instanceof z.ZodObject) || Object.keys(body.shape).length > 0
  const required = hasBody && !body.safeParse({}).success
  const given = z.object(Object.fromEntries(names.map((name) => [name, params[name] ?? idReference])))
  return {
    operationId: [method, ...words].join('-').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
    tags: [path.split('/')[2] ?? ''],
    summary,
    description: `${description ? `${description}\n\n` : ''}Scope: \`${scope}\`.`,
    requestParams: {
      ...(names.length > 0 ? { path: given } : {}),
      ...(Object.keys(query.shape).length > 0 ? { query } : {}),
      ...(method === 'post' ? { header: z.object({ 'Idempotency-Key': idempotencyKey }) } : {}),
    },
    ...(hasBody ? { requestBody: { required, content: { 'application/json': { schema: body } } } } : {}),
    responses: {
      [String(status) as '200']:
        status === 204
          ? { description: 'Done.' }
          : { description: 'Done.', content: { 'application/json': { schema: replySchema(route) } } },
      ...(otherwise && {
        [String(otherwise.status) as '200']: {
          description: otherwise.when,
          content: { 'application/json': { schema: replySchema({ ...otherwise, isList: false }) } },
        },
      }),
      ...refusals,
    },
  }
}

/** What endpoints receive: one webhook for each event type. */
const webhookPaths = (contracts: Readonly<Record<string, Contract>>): ZodOpenApiPathsObject =>
  Object.fromEntries(
    Object.values(contracts).flatMap((contract) =>
      contract.eventTypes.map((eventType) => [
        `${contract.name} ${eventType}`,
        {
          post: {
            summary: eventType,
            tags: [`webhooks ${contract.name}`],
            security: [],
            // OpenAPI ignores a parameter named Content-Type.
            requestParams: { header: contract.wireHeaders.omit({ 'Content-Type': true }) },
            requestBody: {
              required: true,
              content: { 'application/json': { schema: wireSchemaOf(contract, eventType) } },
            },
            responses: { 200: { description: 'Any 2xx accepts the delivery; anything else is retried.' } },
          },
        },
      ]),
    ),
  )

/** The OpenAPI 3.1 document of the routes. `version` is the gateway's. */
export function openApiDocument(
  routes: readonly Route[],
  contracts: Readonly<Record<string, Contract>>,
  version: string,
) {
  const paths: ZodOpenApiPathsObject = {}
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operationObject(route) }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'flo-gateway management API',
      version,
      description: 'Configure sources, endpoints, users and clients, and see what became of every event.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    // Where this document was read from, whatever a proxy has stripped.
    servers: [{ url: '.' }],
    security: [{ apiKey: [] }],
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'flo_sk_<id>_<secret>, or FLO_ADMIN_KEY.' },
      },
    },
    paths: { ...paths, ...healthPaths },
    webhooks: webhookPaths(contracts),
  })
}
