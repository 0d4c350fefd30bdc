import { florentinTos } from '../../src/contracts/florentin.ts'
import { always, defineMapping, event, on } from '../../src/language/words.ts'
import { sessionUser } from '../accessors/user.ts'
import { envelope } from './envelope.ts'

const session = on('checkout.session.completed')
const { from, has } = session

/** `tos.accepted` at Checkout, where the session collects consent. */
export default defineMapping({
  name: 'florentin/tos',
  on: session,
  to: florentinTos,
  user: sessionUser,
  total: [],
  waitFor: [],

  rules: [
    { emit: 'tos.accepted', when: has('consent.terms_of_service', 'accepted'), key: [from('id')] },
    { ignore: 'no_consent', because: 'The session did not ask for the terms of service to be accepted.' },
  ],

  // Stripe says that they were accepted, not which ones or from where.
  body: { ...envelope, data: { tos: { version: always(null), accepted_at: event('at'), ip: always(null) } } },
  news: {},
})
