/** The account and the mode within which a Stripe id names one object. Left out: the source's own account, in live mode. */
export interface Realm {
  /** A connected account, or the context that a thin event names; '': the source's own account. */
  account?: string | undefined
  livemode?: boolean | undefined
}

const TEST = '+test'

/** A realm as a part of keys: '' for the source's own account in live mode, `@acct_1`, `@+test`, `@acct_1+test`. */
export const realmName = ({ account = '', livemode = true }: Realm): string => {
  const mode = livemode ? '' : TEST
  if (account === '') return mode && `@${mode}`
  return `@${PLAIN.test(account) ? account : encodeURIComponent(account.toWellFormed())}${mode}`
}

/** Of characters that stand for themselves in a key, as Stripe's ids of accounts are: the name is asked for at every turn. */
const PLAIN = /^[\w.-]+$/

/** The key of what an id names in a realm; in the source's own account and live mode it is the id itself. */
export const idInRealm = (realm: Realm, id: string): string => idUnder(realmName(realm), id)

/** The same for a realm's name. An id that looks like a key of a realm is told apart from one. */
export const idUnder = (name: string, id: string): string =>
  name !== '' ? `${name}/${id}` : id.startsWith('@') ? `@/${id}` : id

/** The realm and the id of a key that `idInRealm` made. */
export function splitRealm(key: string): { account: string; livemode: boolean; id: string } {
  const [whole, account = '', test] = /^@([^/+]*)(\+test)?\//.exec(key) ?? ['']
  return { account: decodeURIComponent(account), livemode: test === undefined, id: key.slice(whole.length) }
}

/** The keys that an id may have in an account, whatever the mode. */
export const idsInAccount = (account: string, id: string): string[] =>
  [true, false].map((livemode) => idInRealm({ account, livemode }, id))
