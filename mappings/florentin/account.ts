import { florentinAccount } from '../../src/contracts/florentin.ts'
import { isoTime } from '../../src/language/converters.ts'
import { defineMapping, on } from '../../src/language/words.ts'
import { customerUser } from '../accessors/user.ts'
import { envelope } from './envelope.ts'

const customer = on('customer.created')
const { from } = customer

/** `account.created`: once for each user, whether Stripe or the application reports it first. */
export default defineMapping({
  name: 'florentin/account',
  on: customer,
  to: florentinAccount,
  user: customerUser,
  total: [],
  waitFor: [],

  rules: [{ emit: 'account.created', key: [customerUser.id], acrossSources: true }],

  body: {
    ...envelope,
    data: {
      account: {
        id: customerUser.id,
        email: customerUser.email,
        name: from('name'),
        created_at: isoTime(from('created')),
      },
    },
  },
  news: {},
})
