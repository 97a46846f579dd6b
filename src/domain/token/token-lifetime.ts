// How long tokens may live, and what follows from it.

/** Longest lifetime that a configuration may give an access token of ours, in seconds. */
export const ACCESS_TOKEN_TTL_SECONDS_MAX = 3600;

/** How long a revocation outlives its token, in seconds; more than the clock skew that verifiers allow. */
export const REVOCATION_MARGIN_SECONDS = 60;
