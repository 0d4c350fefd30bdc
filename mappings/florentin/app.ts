import {
  florentinAccount,
  florentinLogin,
  florentinTeamMember,
  florentinTos,
  florentinUsage,
} from '../../src/contracts/florentin.ts'
import { always, defineMapping, firstOf, on, reading, userOf } from '../../src/language/words.ts'
import { envelope } from './envelope.ts'

// What the provider's own application publishes goes out as it came in, under the name of its resource.

const app = reading<{ user: { id: string | null; client_user_id: string | null } }>()
/** Whom the application names: by its own id, or by Flo's. */
const user = userOf(always(null), {
  clientUserId: [app.from('user.client_user_id')],
  email: [],
  floUserId: app.from('user.id'),
})

const common = { user, total: [], waitFor: [], news: {} }

const login = on('user.login')
const added = on('team_member.added')
const accepted = on('tos.accepted')
const metrics = on('usage.metrics_updated')
const created = on('account.created')
/** The application may keep several accounts of one user; without an id of its own it is the user's one. */
const accountId = firstOf(created.from('data.id'), user.id)

export default [
  defineMapping({
    ...common,
    name: 'florentin/app-login',
    on: login,
    to: florentinLogin,
    rules: [{ emit: 'user.login' }],
    body: {
      ...envelope,
      data: {
        user: { id: user.id, client_user_id: user.clientUserId, email: user.email },
        login: { at: login.from('data.at'), ip: login.from('data.ip'), user_agent: login.from('data.user_agent') },
      },
    },
  }),
  defineMapping({
    ...common,
    name: 'florentin/app-team-member',
    on: added,
    to: florentinTeamMember,
    rules: [{ emit: 'team_member.added' }],
    body: {
      ...envelope,
      data: {
        team_member: { id: added.from('data.id'), email: added.from('data.email'), role: added.from('data.role') },
      },
    },
  }),
  defineMapping({
    ...common,
    name: 'florentin/app-tos',
    on: accepted,
    to: florentinTos,
    rules: [{ emit: 'tos.accepted' }],
    body: {
      ...envelope,
      data: {
        tos: {
          version: accepted.from('data.version'),
          accepted_at: accepted.from('data.accepted_at'),
          ip: accepted.from('data.ip'),
        },
      },
    },
  }),
  defineMapping({
    ...common,
    name: 'florentin/app-usage',
    on: metrics,
    to: florentinUsage,
    rules: [{ emit: 'usage.metrics_updated' }],
    body: {
      ...envelope,
      data: {
        usage: {
          metric: metrics.from('data.metric'),
          value: metrics.from('data.value'),
          unit: metrics.from('data.unit'),
          period_start: metrics.from('data.period_start'),
          period_end: metrics.from('data.period_end'),
        },
      },
    },
  }),
  // Stripe may report the same account as a customer: whichever comes first is sent.
  defineMapping({
    ...common,
    name: 'florentin/app-account',
    on: created,
    to: florentinAccount,
    rules: [{ emit: 'account.created', key: [accountId], acrossSources: true }],
    body: {
      ...envelope,
      data: {
        account: {
          id: accountId,
          email: created.from('data.email'),
          name: created.from('data.name'),
          created_at: created.from('data.created_at'),
        },
      },
    },
  }),
]
