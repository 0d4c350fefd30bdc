// Stripe's events that no mapping reads, and why. The longest prefix that fits stands; what fits none is unknown to us.

export const ignored: Readonly<Record<string, string>> = {
  customer: 'Kept: the customer of later events.',
  product: 'Kept: the name of a plan.',
  price: 'Kept: the price of a plan.',
  plan: 'Kept: the price of a plan.',
  'checkout.session': 'Kept: links a customer to the client.',
}
