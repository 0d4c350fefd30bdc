import { florentinInvoice } from '../../src/contracts/florentin.ts'
import { toNumber } from '../../src/language/converters.ts'
import { all, any, defineMapping, is, not, on, uuidOf, was } from '../../src/language/words.ts'
import { invoiceStatus } from '../accessors/invoice.ts'
import { invoiceUser } from '../accessors/user.ts'
import { envelope } from './envelope.ts'

const invoice = on('invoice.created', 'invoice.updated', 'invoice.finalized')
const { from, type } = invoice

const draft = is(invoiceStatus, 'draft')

/** `invoice.created`: an invoice at its first sight that is not a draft, once. */
export default defineMapping({
  name: 'florentin/invoice',
  on: invoice,
  to: florentinInvoice,
  user: invoiceUser,
  total: [invoiceStatus],
  waitFor: [],

  rules: [
    {
      ignore: 'draft',
      because: 'A draft may still change or go: invoice.created follows when it is finalized.',
      when: draft,
    },
    {
      emit: 'invoice.created',
      when: any(type('invoice.created', 'invoice.finalized'), all(was(draft), is(invoiceStatus, 'open'))),
      key: [from('id')],
    },
    {
      ignore: 'not_in_contract',
      because: 'The contract has an event for a new invoice, and none for what becomes of it.',
      when: not(draft),
    },
  ],

  body: {
    ...envelope,
    data: {
      invoice: {
        id: uuidOf('invoice', from('id')),
        number: from('number'),
        status: invoiceStatus,
        amount_due: toNumber(from('amount_due')),
        currency: from('currency'),
      },
    },
  },
  news: {},
})
