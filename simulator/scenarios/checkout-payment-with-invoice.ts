import { createOneOffPrice } from '../catalog.ts'
import { openSession, payWithInvoice } from '../checkout.ts'
import { defineScenario, firstInvoice, settledInvoice } from '../scenario.ts'

export default defineScenario({
  name: 'checkout-payment-with-invoice',
  about: 'A Checkout page that leaves a paid invoice behind: the invoice tells the purchase, not the session.',
  play(world) {
    const basket = [
      { price: createOneOffPrice(world, 'Workshop', 15000) },
      { price: createOneOffPrice(world, 'Book', 2450), quantity: 2 },
    ]
    payWithInvoice(world, openSession(world, 'payment', basket, { invoiceCreation: true }), basket)
  },
  flo: [...settledInvoice, 'item.purchased', 'item.purchased'],
  florentin: firstInvoice,
})
