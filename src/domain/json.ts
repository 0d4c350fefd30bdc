/**
 * JSON whose shape nobody has checked: an object of Stripe's has the shape of its API version, from 2014 to today. Mappings
 * read it by paths that are checked against Stripe's types; what is made of it is checked against the contract's schema.
 */
// biome-ignore lint/suspicious/noExplicitAny: `unknown` would ask for a check at each step of a path that may be absent anyway.
export type Json = any
