// What the key of each authority is for, as the configuration names it.

/** Uses of keys by the names of authorities. The root lies in the store, or elsewhere altogether. */
export const AUTHORITY_USE = {
	root: 'root',
	'partner-issuing': 'partnerIssuing',
	'platform-issuing': 'platformIssuing',
} as const;
