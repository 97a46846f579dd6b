// Header fields that every answer over TLS carries, whoever gives it.
import type { ServerResponse } from 'node:http';

/** Names and values, flat. */
export const SECURITY_HEADERS = [
	'strict-transport-security',
	'max-age=31536000; includeSubDomains',
	'x-content-type-options',
	'nosniff',
	'content-security-policy',
	"default-src 'none'; frame-ancestors 'none'",
] as const;

/** Sets the fields on an answer; the service may set others in their place. */
export function setSecurityHeaders(response: ServerResponse): void {
	for (let index = 0; index < SECURITY_HEADERS.length; index += 2) {
		response.setHeader(SECURITY_HEADERS[index] as string, SECURITY_HEADERS[index + 1] as string);
	}
}
