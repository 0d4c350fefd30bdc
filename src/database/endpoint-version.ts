/**
 * As SQL in the `set` of an update of endpoints: pumps read anew what has another version. A trigger does the same for updates
 * by hand, but not on Citus, which takes none.
 */
export const ENDPOINT_CHANGED = 'version = version + 1, updated_at = now()'
