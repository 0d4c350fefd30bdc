import { flo } from '../../src/contracts/flo.ts'
import { offering } from '../offer.ts'
import capture from './capture.ts'
import checkout from './checkout.ts'
import invoice from './invoice.ts'
import payment from './payment.ts'
import purchase from './purchase.ts'
import refunds from './refund.ts'
import renewal from './renewal.ts'
import subscription from './subscription.ts'

export default offering(flo, [subscription, invoice, renewal, purchase, checkout, payment, capture, ...refunds])
