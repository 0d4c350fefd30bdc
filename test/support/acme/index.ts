import { invoiceUser } from '../../../mappings/accessors/user.ts'
import { offering } from '../../../mappings/offer.ts'
import { isoTime } from '../../../src/language/converters.ts'
import { max } from '../../../src/language/list-words.ts'
import { defineMapping, emitted, on } from '../../../src/language/words.ts'
import { acme, renewal } from './contract.ts'

const invoice = on('invoice.paid')
const { from, has } = invoice

const membership = defineMapping({
  name: 'acme/membership',
  on: invoice,
  to: renewal,
  user: invoiceUser,
  total: [],
  waitFor: [],
  rules: [
    { emit: 'membership.extended', when: has('billing_reason', 'subscription_cycle'), key: [from('id')] },
    { ignore: 'no_period', because: 'The invoice bills no further period.' },
  ],
  body: {
    kind: emitted,
    member: invoiceUser.clientUserId,
    until: isoTime(max(from('lines.data'), (line) => line.from('period.end'))),
    cents: from('amount_paid'),
  },
  news: {},
})

export default offering(acme, [membership])
