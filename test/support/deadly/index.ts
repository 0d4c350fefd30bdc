import type Stripe from 'stripe'
import { invoiceUser } from '../../../mappings/accessors/user.ts'
import { offering } from '../../../mappings/offer.ts'
import { always, computed, defineMapping, emitted, is, on } from '../../../src/language/words.ts'
import { acme, renewal } from '../acme/contract.ts'

// A contract whose mapping ends the process when it reads an invoice with `metadata.deadly`, as no mapping of ours should.

const invoice = on('invoice.paid')

const endProcess = computed(
  'ends the process',
  (metadata: Stripe.Metadata | null): boolean => {
    if (metadata?.deadly === 'yes') process.kill(process.pid, 'SIGKILL')
    return metadata?.deadly !== undefined
  },
  invoice.from('metadata'),
)

const death = defineMapping({
  name: 'deadly/death',
  on: invoice,
  to: renewal,
  user: invoiceUser,
  total: [],
  waitFor: [],
  rules: [
    { emit: 'membership.extended', when: is(endProcess, true), key: [invoice.from('id')] },
    { ignore: 'not_deadly', because: 'It ends nothing.' },
  ],
  body: {
    kind: emitted,
    member: invoiceUser.clientUserId,
    until: always(null),
    cents: invoice.from('amount_paid'),
  },
  news: {},
})

export default offering({ ...acme, name: 'deadly.v1' }, [death])
