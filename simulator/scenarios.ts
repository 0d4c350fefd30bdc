import type { Scenario } from './scenario.ts'
import barePayment from './scenarios/bare-payment.ts'
import cancelAtDate from './scenarios/cancel-at-date.ts'
import cancelAtPeriodEnd from './scenarios/cancel-at-period-end.ts'
import cardReplaced from './scenarios/card-replaced.ts'
import checkoutAsync from './scenarios/checkout-async.ts'
import checkoutAsyncFails from './scenarios/checkout-async-fails.ts'
import checkoutCapturedLater from './scenarios/checkout-captured-later.ts'
import checkoutExpires from './scenarios/checkout-expires.ts'
import checkoutFree from './scenarios/checkout-free.ts'
import checkoutPayment from './scenarios/checkout-payment.ts'
import checkoutPaymentWithInvoice from './scenarios/checkout-payment-with-invoice.ts'
import checkoutSubscription from './scenarios/checkout-subscription.ts'
import checkoutTerms from './scenarios/checkout-terms.ts'
import creditNoteBeforePayment from './scenarios/credit-note-before-payment.ts'
import creditNoteRefund from './scenarios/credit-note-refund.ts'
import customerDeleted from './scenarios/customer-deleted.ts'
import deletedDraft from './scenarios/deleted-draft.ts'
import downgrade from './scenarios/downgrade.ts'
import dunningToCanceled from './scenarios/dunning-to-canceled.ts'
import dunningToPaused from './scenarios/dunning-to-paused.ts'
import dunningToUnpaid from './scenarios/dunning-to-unpaid.ts'
import firstPaymentConfirmed from './scenarios/first-payment-confirmed.ts'
import fullDiscount from './scenarios/full-discount.ts'
import hardPause from './scenarios/hard-pause.ts'
import immediateCancel from './scenarios/immediate-cancel.ts'
import incompleteExpired from './scenarios/incomplete-expired.ts'
import incompleteThenActive from './scenarios/incomplete-then-active.ts'
import intervalChange from './scenarios/interval-change.ts'
import intervalOfEqualValue from './scenarios/interval-of-equal-value.ts'
import manyLines from './scenarios/many-lines.ts'
import metadataChange from './scenarios/metadata-change.ts'
import metered from './scenarios/metered.ts'
import meteredPlanChange from './scenarios/metered-plan-change.ts'
import multiItem from './scenarios/multi-item.ts'
import oneOffInvoice from './scenarios/one-off-invoice.ts'
import overdue from './scenarios/overdue.ts'
import paidOutOfBand from './scenarios/paid-out-of-band.ts'
import pauseCollection from './scenarios/pause-collection.ts'
import pauseGivesUp from './scenarios/pause-gives-up.ts'
import pauseKeepsDrafts from './scenarios/pause-keeps-drafts.ts'
import planChange from './scenarios/plan-change.ts'
import portalCancel from './scenarios/portal-cancel.ts'
import prebilling from './scenarios/prebilling.ts'
import productRenamed from './scenarios/product-renamed.ts'
import quantityChange from './scenarios/quantity-change.ts'
import reactivated from './scenarios/reactivated.ts'
import recovers from './scenarios/recovers.ts'
import refundByCreditNotes from './scenarios/refund-by-credit-notes.ts'
import refundFails from './scenarios/refund-fails.ts'
import refundOfBarePayment from './scenarios/refund-of-bare-payment.ts'
import refundOfCapturedPart from './scenarios/refund-of-captured-part.ts'
import refundOfNothingCaptured from './scenarios/refund-of-nothing-captured.ts'
import refundOfRenewalLine from './scenarios/refund-of-renewal-line.ts'
import refundOfTwoPayments from './scenarios/refund-of-two-payments.ts'
import refundPartialThenFull from './scenarios/refund-partial-then-full.ts'
import refundPending from './scenarios/refund-pending.ts'
import renewal from './scenarios/renewal.ts'
import scheduleCancels from './scenarios/schedule-cancels.ts'
import scheduleChangesPlan from './scenarios/schedule-changes-plan.ts'
import sentInvoices from './scenarios/sent-invoices.ts'
import setupFee from './scenarios/setup-fee.ts'
import severalIntervals from './scenarios/several-intervals.ts'
import specialDecimal from './scenarios/special-decimal.ts'
import subscriptionRefund from './scenarios/subscription-refund.ts'
import taxAndDiscount from './scenarios/tax-and-discount.ts'
import testClockYear from './scenarios/test-clock-year.ts'
import threeDecimal from './scenarios/three-decimal.ts'
import threshold from './scenarios/threshold.ts'
import tiered from './scenarios/tiered.ts'
import tieredPlanChange from './scenarios/tiered-plan-change.ts'
import trialCancels from './scenarios/trial-cancels.ts'
import trialConverts from './scenarios/trial-converts.ts'
import trialEndsEarly from './scenarios/trial-ends-early.ts'
import trialOffer from './scenarios/trial-offer.ts'
import trialPauses from './scenarios/trial-pauses.ts'
import uncollectible from './scenarios/uncollectible.ts'
import usageAlert from './scenarios/usage-alert.ts'
import usagePaidLate from './scenarios/usage-paid-late.ts'
import userToldLater from './scenarios/user-told-later.ts'
import voided from './scenarios/void.ts'
import yearBesideMonth from './scenarios/year-beside-month.ts'
import zeroDecimal from './scenarios/zero-decimal.ts'

/** Every story that the simulator can tell. */
export const scenarios: readonly Scenario[] = [
  barePayment,
  cancelAtDate,
  cancelAtPeriodEnd,
  cardReplaced,
  checkoutAsync,
  checkoutAsyncFails,
  checkoutCapturedLater,
  checkoutExpires,
  checkoutFree,
  checkoutPayment,
  checkoutPaymentWithInvoice,
  checkoutSubscription,
  checkoutTerms,
  creditNoteBeforePayment,
  creditNoteRefund,
  customerDeleted,
  deletedDraft,
  downgrade,
  dunningToCanceled,
  dunningToPaused,
  dunningToUnpaid,
  firstPaymentConfirmed,
  fullDiscount,
  hardPause,
  immediateCancel,
  incompleteExpired,
  incompleteThenActive,
  intervalChange,
  intervalOfEqualValue,
  manyLines,
  metadataChange,
  metered,
  meteredPlanChange,
  multiItem,
  oneOffInvoice,
  overdue,
  paidOutOfBand,
  pauseCollection,
  pauseGivesUp,
  pauseKeepsDrafts,
  planChange,
  portalCancel,
  prebilling,
  productRenamed,
  quantityChange,
  reactivated,
  recovers,
  refundByCreditNotes,
  refundFails,
  refundOfBarePayment,
  refundOfCapturedPart,
  refundOfNothingCaptured,
  refundOfRenewalLine,
  refundOfTwoPayments,
  refundPartialThenFull,
  refundPending,
  renewal,
  scheduleCancels,
  scheduleChangesPlan,
  sentInvoices,
  setupFee,
  specialDecimal,
  subscriptionRefund,
  taxAndDiscount,
  testClockYear,
  threeDecimal,
  threshold,
  tiered,
  tieredPlanChange,
  trialCancels,
  trialConverts,
  trialEndsEarly,
  trialOffer,
  trialPauses,
  uncollectible,
  usageAlert,
  usagePaidLate,
  severalIntervals,
  yearBesideMonth,
  userToldLater,
  voided,
  zeroDecimal,
]
