import { goods } from '../catalog.ts'
import { open, payWithInvoice } from '../checkout.ts'
import { billed, scenario, settledInvoice } from '../scenario.ts'

export default scenario({
  name: 'checkout-payment-with-invoice',
  about: 'A Checkout page that leaves a paid invoice behind: the invoice tells the purchase, not the session.',
  play(world) {
    const basket = [{ price: goods(world, 'Workshop', 15000) }, { price: goods(world, 'Book', 2450), quantity: 2 }]
    payWithInvoice(world, open(world, 'payment', basket, { invoiceCreation: true }), basket)
  },
  flo: [...settledInvoice, 'item.purchased', 'item.purchased'],
  florentin: billed,
})
