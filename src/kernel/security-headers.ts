// Header fields that every answer over TLS carries, whoever gives it.

/** Names and values, flat. */
export const SECURITY_HEADERS = [
	'strict-transport-security',
	'max-age=31536000; includeSubDomains',
	'x-content-type-options',
	'nosniff',
	'content-security-policy',
	"default-src 'none'; frame-ancestors 'none'",
] as const;
