import { z } from 'zod'
import type { DeletionKind } from '../../database/deletions.ts'
import { firstRow } from '../../database/rows.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, id, idReference, pageQuery, replyTime, textUpTo } from '../http/field-schemas.ts'
import { OWNER_COLUMN, ownerId, showOwner } from '../http/owner.ts'
import { readPage } from '../http/page.ts'
import { type ApiCall, type ApiReply, adminRoute, listRoute, type Route, resourceRoute } from '../http/route.ts'

const KINDS = ['client', 'source', 'user', 'payload'] as const

const counts = z.record(z.string(), z.number().int()).meta({
  description: 'Rows by table, each counted up to 100,000: that number says so many or more.',
  example: { events: 12, deliveries: 24, attempts: 25 },
})

const Deletion = z
  .strictObject({
    id,
    clientId: ownerId,
    kind: z.enum(KINDS).meta({ description: '`payload`: a payload was expunged, whose states stay.' }),
    subjectId: id.meta({ description: 'The id of the client, source, user, source event or event.' }),
    deletedAt: replyTime,
    deletedBy: z.string().meta({ description: 'The API key that asked for it.' }),
    counts: counts.meta({ description: 'What it was about to take.' }),
    goneBy: replyTime.meta({ description: 'By then all rows are gone; usually within minutes.' }),
    goneAt: replyTime.nullable().meta({ description: 'When the last rows went; null: they are going.' }),
    goneCounts: counts.meta({ description: 'What has gone so far.' }),
  })
  .meta({
    id: 'Deletion',
    description: 'Something that was deleted or expunged on request: by whom, when, and what went.',
  })

const DeletionPreview = z
  .strictObject({
    dryRun: z.literal(true),
    ...Deletion.pick({ kind: true, clientId: true, subjectId: true, counts: true }).shape,
  })
  .meta({ id: 'DeletionPreview', description: 'What a deletion would take.' })

const dryRun = z
  .enum(['true', 'false'])
  .optional()
  .meta({ description: '`true`: only counts what it would take, and answers 200.' })
const dryRunQuery = z.strictObject({ clientId, dryRun })

const shared = {
  query: dryRunQuery,
  reply: Deletion,
  status: 202,
  otherwise: {
    status: 200,
    reply: DeletionPreview,
    when: 'With `dryRun=true`: what it would take. Nothing is deleted.',
  },
}

type DeletionCall = Pick<ApiCall<z.infer<typeof dryRunQuery>>, 'db' | 'caller' | 'query' | 'afterCommit'>

type Deps = Pick<ApiDeps, 'keyRing' | 'requestDeletion' | 'wakes'>

/** /v1/deletions, and the routes that delete or expunge. */
export const deletionRoutes = (deps: Deps): Route[] => [
  ...ownerDeletionRoutes(deps),
  userDeletionRoute(deps),
  ...expungeRoutes(deps),
  trailRoute(deps),
]

async function answerDeletion(
  deps: Deps,
  { db, caller, query, afterCommit }: DeletionCall,
  asked: { kind: DeletionKind; clientId: string; subject: string },
): Promise<ApiReply> {
  const isDryRun = query.dryRun === 'true'
  const { clientId, kind } = asked
  const done = await deps.requestDeletion(db, { ...asked, requestedBy: caller.keyId }, { isDryRun })
  if (done.id === null)
    return {
      status: 200,
      data: { dryRun: true, kind, clientId: showOwner(clientId), subjectId: done.subjectId, counts: done.counts },
    }
  afterCommit(() => {
    deps.wakes.erase(clientId)
    // What was read ahead to be sent is looked at again.
    deps.wakes.deliver(clientId)
  })
  const { rows } = await db.query(`select ${COLUMNS} from deletions t where t.id = $1`, [done.id])
  return { data: firstRow(rows) }
}

/** Deletes, or expunges, what the path names. */
const answerFor =
  (deps: Deps, kind: Exclude<DeletionKind, 'client'>, subject: 'id' | 'clientUserId' = 'id') =>
  (call: DeletionCall & { clientId: string; params: Record<string, string> }) =>
    answerDeletion(deps, call, { kind, clientId: call.clientId, subject: call.params[subject] ?? '' })

const ownerDeletionRoutes = (deps: Deps): Route[] => [
  adminRoute('DELETE /v1/clients/{id}', {
    ...shared,
    query: z.strictObject({ dryRun }),
    summary: 'Delete a client with all that belongs to it',
    description:
      'From the reply on nothing of it is shown, taken in or sent, and its API keys are refused; its rows are gone within 24 hours. Asked again, the answer is 404.',
    ids: { id: 'client' },
    answerCall: (call) =>
      answerDeletion(deps, call, { kind: 'client', clientId: call.params.id, subject: call.params.id }),
  }),
  resourceRoute('DELETE /v1/sources/{id}', {
    ...shared,
    summary: 'Delete a source with all that was made of what it sent',
    description:
      'From the reply on its webhooks are answered with 404, and its source events, with their events and deliveries, are neither shown nor sent, those that a receiver has had included; their rows are gone within 24 hours. Users stay. What a source that routes has given to clients goes client by client, each by a deletion of its own that follows within moments. Asked again, the answer is 404.',
    ids: { id: 'source' },
    answerCall: answerFor(deps, 'source'),
  }),
]

const userDeletionRoute = (deps: Deps): Route =>
  resourceRoute('DELETE /v1/users/{clientUserId}', {
    ...shared,
    summary: 'Delete a user with all that tells of it',
    description:
      "A user whom no registration has named is given by Flo's id. From the reply on the user, its links, checkouts, events and deliveries are neither shown nor sent; they, the payloads that tell of it and what was remembered of its Stripe objects are gone within 24 hours. Source events stay, without content. Later events about its customers or its id are ignored with `user_deleted`, until `PUT /v1/users` registers it anew. Asked again, the answer is 404.",
    params: { clientUserId: textUpTo(500) },
    answerCall: answerFor(deps, 'user', 'clientUserId'),
  })

const expungeRoutes = (deps: Deps): Route[] => [
  resourceRoute('POST /v1/source-events/{id}/expunge', {
    ...shared,
    summary: 'Expunge the payload of a source event and its copies',
    description:
      'Its raw body, the bodies of the events that were made of it, what receivers answered to them, and what was remembered or fetched of it go at once; deliveries that wait are cancelled. Ids and states stay. It may be asked again.',
    ids: { id: 'sourceEvent' },
    answerCall: answerFor(deps, 'payload'),
  }),
  resourceRoute('POST /v1/events/{id}/expunge', {
    ...shared,
    summary: 'Expunge the payload of an event and its copies',
    description:
      'The same as for the source event that it was made of, so that no copy is left: the events that were made of it beside this one lose their bodies as well.',
    ids: { id: 'event' },
    answerCall: answerFor(deps, 'payload'),
  }),
]

const trailRoute = (deps: Deps): Route =>
  listRoute('GET /v1/deletions', {
    summary: 'List what was deleted and expunged on request',
    description: "With an operator's key those of deleted clients as well.",
    query: z.strictObject({
      clientId,
      kind: z.enum(KINDS).optional(),
      subjectId: idReference.optional(),
      ...pageQuery,
    }),
    reply: Deletion,
    answerCall: (call) =>
      readPage(deps, call, {
        list: 'deletions',
        columns: COLUMNS,
        table: 'deletions',
        // Not by way of the clients: theirs may be gone.
        isOwned: false,
        filters: {
          clientId: ['t.client_id = ?', call.clientId ?? undefined],
          kind: ['t.kind = ?', call.query.kind],
          subjectId: ['t.subject_id::text = lower(?)', call.query.subjectId],
        },
      }),
  })

const COLUMNS = `t.id, ${OWNER_COLUMN}, t.kind, t.subject_id as "subjectId", t.requested_at as "deletedAt",
  t.requested_by as "deletedBy", t.counts, t.requested_at + interval '24 hours' as "goneBy", t.finished_at as "goneAt",
  t.gone as "goneCounts"`
