import { florentin } from '../../src/contracts/florentin.ts'
import { offering } from '../offer.ts'
import account from './account.ts'
import app from './app.ts'
import invoice from './invoice.ts'
import planChange from './plan-change.ts'
import subscription from './subscription.ts'
import tos from './tos.ts'
import usage from './usage.ts'

export default offering(florentin, [account, tos, subscription, planChange, invoice, usage, ...app])
