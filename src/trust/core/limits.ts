/**
 * How much dtrust reads, and for how long what it signs is good.
 *
 * Sizes and counts are those of the reference clients (python-tuf, tuf-js, go-tuf), so that whatever they publish is
 * read and whatever dtrust publishes is read by them; only targets may be larger, because their listed length
 * bounds them.
 */
export const MAX_ROOT_BYTES = 512_000;
export const MAX_TIMESTAMP_BYTES = 16_384;
export const MAX_SNAPSHOT_BYTES = 2_000_000;
/** Over the length the snapshot lists, which is checked first: a signed length alone cannot fill the memory. */
export const MAX_TARGETS_BYTES = 64 * 1024 * 1024;

/** TUF 5.3.3 leaves the bound to the client. */
export const MAX_ROOT_ROTATIONS = 256;
/** TUF 5.6.7.1 leaves the bound to the client: roles visited in one search, `targets` included. */
export const MAX_SEARCHED_ROLES = 32;

/** Protocol 4.2: sha256 of this many timestamps before the current one stand in the snapshot. */
export const HISTORY_LENGTH = 64;
/** Protocol 2.5: the editor builds on no version that is further above the highest one seen here. */
export const MAX_VERSION_JUMP = 1_000;

/** Protocol 4.6: how many publishes may come between the staging of a root that takes keys away and its publish. */
export const STAGED_FLOOR_ROOM = 50;
/** Protocol 4.6: roles of one staged state, and bytes of all of them. */
export const MAX_STAGED_ROLES = 64;
export const MAX_STAGED_BYTES = MAX_TARGETS_BYTES;

/** Protocol 4.1: least and longest turn. */
export const MIN_TURN_SECONDS = 1;
export const MAX_TURN_SECONDS = 10;

export const DAY_MS = 86_400_000;
/** Protocol 2.7. */
export const ROOT_LIFETIME_MS = 3 * 365 * DAY_MS;
export const TARGETS_LIFETIME_MS = 3 * 365 * DAY_MS;
export const ONLINE_LIFETIME_MS = 365 * DAY_MS;
/** Protocol 2.7: from this long before the end a warning is given. */
export const EXPIRY_WARNING_MS = 30 * DAY_MS;
/** Protocol 2.7: a machine that holds the online key is told this long before the end. */
export const EXPIRY_NOTICE_TO_HOLDER_MS = 60 * DAY_MS;
/** Protocol 2.7: from this age on the age of the signed state is shown. */
export const AGE_SHOWN_FROM_MS = 30 * DAY_MS;
