// What can be done about a reason, by its code. Read by the developer who asks why an event did not come.

const HINTS: Readonly<Record<string, string>> = {
  unmapped_value:
    'Stripe sent a value that no mapping names. It is never guessed: extend the mapping, look at `flo-gateway mappings diff`, then `flo-gateway renormalize --state failed --code unmapped_value`.',
  unreadable_value:
    'The message names the field. Where the contract allows it, what cannot be read is null; this field has to be known, so ask Stripe or whoever sent the event.',
  not_storable:
    'The events beside it went on. Look at what it holds; after a fix `flo-gateway renormalize --state failed --code not_storable`.',
  invalid_target: 'The mapping made a body that its contract refuses: mend the mapping, then renormalize.',
  internal: 'The gateway’s own fault: the log of that moment has the cause. Renormalize when it is mended.',
  body_missing: 'Backfill it from Stripe while Stripe still has it (30 days).',
  needs_api_key:
    'Give the source a Stripe API key (PATCH /v1/sources/{id} with apiKey), then renormalize. Or let Stripe send snapshot events.',
  not_hydrated:
    'The object could not be fetched from Stripe: GET /v1/sources/{id} shows why calls fail. The gateway keeps asking for a day and sends the event when the object comes; after that, renormalize.',
  without_hydration:
    'What was missing could not be fetched from Stripe in time: GET /v1/sources/{id} shows why calls fail.',
  lines_untold:
    'Give the source a Stripe API key (PATCH /v1/sources/{id} with apiKey), then `flo-gateway renormalize --state normalized --code lines_untold`: what is beyond the first page is sent, and nothing twice.',
  snapshot_speaks: 'Nothing to do: the webhook gets snapshot events as well, and each becomes an event once.',
  awaiting_entitlement: 'Nothing to do: subscription.created follows as soon as the first payment makes it usable.',
  paid_speaks: 'If no invoice.paid arrives, enable invoice.paid for the webhook in Stripe: it covers every way to pay.',
  end_speaks:
    'If no customer.subscription.deleted arrives, enable it for the webhook in Stripe: it tells the end, and shows what changed.',
  no_known_change:
    'The gateway had not seen the object before, and the event does not say what changed. From the next event on it knows it.',
  no_rank:
    'Say what the plans are worth: PATCH /v1/sources/{id} with planRanks, a number for each price or plan id. It counts from the next change on.',
  overtaken: 'A newer state had arrived before: sending the older one would set the receiver back.',
  not_opted_in: 'Set metadata.flo_product on the payment intent to make such a payment a purchase.',
  route_unknown:
    'Say whose the name is: PUT /v1/sources/{id}/routes/{value} with clientId, or, where it stands in metadata, give a client this externalId. It is then routed at once.',
  route_conflict:
    'It is never guessed. Let both names mean the same client by a route (PUT /v1/sources/{id}/routes/{value}): it is then routed at once. For what comes later, correct the metadata in Stripe.',
  route_missing:
    'Write the name of the client into the metadata of its customer or its subscription in Stripe: the event of that change tells it. Or give the source a Stripe API key and renormalize: its objects are looked up.',
  unknown_type: 'Nothing to do, unless a mapping should read this type: see CONTRIBUTING.md.',
}

/** Advice for a reason's code; none where the reason says it all. */
export const hintsFor = (code: string | undefined): string[] => (code !== undefined && HINTS[code] ? [HINTS[code]] : [])

/** What is waited for, in words: `client_user_id:cus_1`. */
export function factWords(fact: string): string {
  const [kind, id] = [fact.slice(0, fact.indexOf(':')), fact.slice(fact.indexOf(':') + 1)]
  switch (kind) {
    case 'client_user_id':
      return `the client's own id of the customer ${id}`
    case 'subscription':
      return `the subscription ${id}`
    case 'period':
      return `the new period of the subscription ${id.slice(0, id.lastIndexOf(':'))}`
    case 'plan': {
      const [subscription, plan] = [id.slice(0, id.indexOf(':')), id.slice(id.indexOf(':') + 1)]
      return `the change of the subscription ${subscription} to ${plan}`
    }
    case 'purchase':
      return `what ${id} was for`
    case 'refund':
      return `the refund itself, of ${id}`
    case 'checkout':
      return `a checkout registered for ${id}`
    case 'hydration':
      return `${id}, fetched from Stripe`
    default:
      return fact
  }
}

/** What ends a wait before its deadline. */
export const waitHints = (facts: readonly string[]): string[] =>
  facts.some((fact) => fact.startsWith('client_user_id:'))
    ? [
        'It goes on at once when the user is registered (PUT /v1/users/{clientUserId} with stripeCustomerId), or when metadata.client_user_id arrives on the customer, the subscription or the invoice.',
      ]
    : []
