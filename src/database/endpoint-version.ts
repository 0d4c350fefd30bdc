/**
 * As SQL in the `set` of an update of endpoints: pumps read an endpoint again when its version changes. A trigger does the same
 * for updates by hand, but not on Citus, which allows none.
 */
export const ENDPOINT_CHANGED = 'version = version + 1, updated_at = now()'
