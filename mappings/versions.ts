// The API versions up to which a field stood where `legacy` reads it: https://docs.stripe.com/changelog.

/** Invoices, their lines and a subscription's period were laid out anew. */
export const BASIL = { until: '2025-03-31.basil' }
/** Prices took the place of plans, and items that of the one plan. */
export const PRICES = { until: '2020-08-27' }
/** Invoices got a status in place of three booleans, and other names for times. */
export const STATUS = { until: '2019-03-14' }
