// Puts the header fields that every answer carries on the answers of a service that does not write them itself.
import type { ServerResponse } from 'node:http';
import { SECURITY_HEADERS } from '../../kernel/security-headers.ts';

/** Sets the fields on an answer; the service may set others in their place. */
export function setSecurityHeaders(response: ServerResponse): void {
	for (let index = 0; index < SECURITY_HEADERS.length; index += 2) {
		response.setHeader(SECURITY_HEADERS[index] as string, SECURITY_HEADERS[index + 1] as string);
	}
}
